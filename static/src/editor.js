// The YAML editor over a form's textarea. The textarea stays the form's field, so
// that everything works without this file.
import './shared.js'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, Prec } from '@codemirror/state'
import { EditorView, drawSelection, gutter, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, hoverTooltip, keymap, lineNumbers, rectangularSelection } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { msg } from './messages.js'

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--yk)' },
  { tag: [tags.string, tags.content, tags.attributeValue], color: 'var(--ys)' },
  { tag: tags.number, color: 'var(--yn)' },
  { tag: [tags.bool, tags.null, tags.keyword], color: 'var(--yb)' },
  { tag: [tags.comment, tags.meta, tags.separator], color: 'var(--yc)' },
])

// What is not seen stands there by its number.
const unseen = {
  addSpecialChars: /[\u202a-\u202c\u2060-\u2064\u2068]/g,
  render(code) {
    const el = document.createElement('span')
    el.className = 'unseen'
    el.textContent = `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`
    return el
  },
}

const look = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--side)', color: 'var(--text)', fontSize: '12px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '18px' },
  '.cm-content': { caretColor: 'var(--accent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '.cm-gutters': { backgroundColor: 'var(--side)', color: 'var(--yc)', border: '0' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { background: 'var(--flash)' },
  '.cm-tooltip': { backgroundColor: 'var(--raise)', border: '1px solid var(--line2)' },
  '.cm-gutter-lint': { width: '16px' },
})

// What the editor itself says, to eyes and to screen readers.
const phrases = {
  'Control character': msg('Control character'), 'Selection deleted': msg('Selection deleted'),
  'Folded lines': msg('Folded lines'), 'Unfolded lines': msg('Unfolded lines'), to: msg('to'), 'folded code': msg('folded code'), unfold: msg('unfold'), 'Fold line': msg('Fold line'), 'Unfold line': msg('Unfold line'),
}

const keyAt = /[A-Za-z0-9_./$-]+(?=\s*:)/g

// about tells what the field under the pointer is.
const about = (describe) => hoverTooltip(async (view, pos) => {
  const line = view.state.doc.lineAt(pos)
  const key = [...line.text.matchAll(keyAt)].find((m) => line.from + m.index <= pos && pos <= line.from + m.index + m[0].length)
  if (!key) return null
  const [from, to] = [line.from + key.index, line.from + key.index + key[0].length]
  const [field, more] = await Promise.all([describe(view.state.doc.toString(), to), import('./editor-more.js')]).catch(() => [])
  if (!field) return null
  return { pos: from, end: to, above: true, create: () => ({ dom: more.card(field) }) }
}, { hoverTime: 350 })

// dropped puts the text of files into the editor.
const dropped = EditorView.domEventHandlers({
  drop(e, view) {
    if (!e.dataTransfer?.files.length) return false
    e.preventDefault()
    insertFiles(view, e.dataTransfer.files)
    return true
  },
})

// Keys of search, completion and marks.
const theirs = (e) => /^F[38]$/.test(e.key) || (e.ctrlKey || e.metaKey) && (/^[fgd ]$/i.test(e.key) || e.shiftKey && /^[lm]$/i.test(e.key))

// whenUsed loads search, completion and marks with the first key, click or change,
// and does with them what that key was for. The place of the marks is there before.
function whenUsed(source, check) {
  const place = new Compartment()
  let begun = false, there = false
  let key = null // the last one that waits for them
  const begin = async (view) => {
    if (begun) return
    begun = true
    const doc = view.state.doc
    const { more, goOn, shown } = await import('./editor-more.js').catch(() => { begun = false; return {} })
    if (!more || !view.dom.isConnected) return
    there = true
    view.dispatch({ effects: place.reconfigure(more(source, check)) })
    if (view.state.doc === doc && !key) shown(view)
    const before = view.state.sliceDoc(view.state.selection.main.head - 1, view.state.selection.main.head)
    goOn(view, key, view.state.doc !== doc && /[\w$/.-]/.test(before))
  }
  const first = EditorView.domEventHandlers({
    pointerdown(e, view) { begin(view) },
    keydown(e, view) {
      const wanted = !there && theirs(e)
      if (wanted) {
        e.preventDefault()
        key = e
      }
      begin(view)
      return wanted
    },
  })
  return [place.of(gutter({ class: 'cm-gutter-lint' })), Prec.highest(first), EditorView.updateListener.of((u) => { if (u.docChanged || u.view.dom.closest('[data-marks]')) begin(u.view) })]
}

/** insertFiles adds the text of files to what is there, each as documents. */
export async function insertFiles(view, files) {
  const texts = await Promise.all([...files].map((f) => f.text()))
  const before = view.state.doc.toString().trimEnd()
  const all = [before, ...texts.map((t) => t.trim().replace(/^---\n/, ''))].filter(Boolean).join('\n---\n') + '\n'
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: all }, userEvent: 'input.paste' })
  view.focus()
}

/** edit puts an editor in the place of a textarea. complete(text, position) gives
 * completions, describe(text, position) what a field is, check(text) what is
 * wrong. */
export function edit(area, nonce, { changed, complete, describe, check }) {
  const source = async (context) => {
    if (!context.explicit && !context.matchBefore(/[\w$/.-]+|^\s*|: $/)) return null
    const word = context.matchBefore(/[\w$/.-]*/)
    const options = await complete(context.state.doc.toString(), word.from, context).catch(() => [])
    return context.aborted || !options.length ? null : { from: word.from, options, validFor: /^[\w$/.-]*$/ }
  }
  const view = new EditorView({
    parent: area.parentNode,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        EditorView.cspNonce.of(nonce), EditorState.phrases.of(phrases),
        lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), highlightSpecialChars(unseen), history(), drawSelection(), EditorState.allowMultipleSelections.of(true),
        rectangularSelection(), indentOnInput(), indentUnit.of('  '), bracketMatching(),
        yaml(), syntaxHighlighting(colours), look, whenUsed(source, check), about(describe), dropped,
        keymap.of([...defaultKeymap, ...historyKeymap, ...foldKeymap, indentWithTab]),
        // Where text takes the place of other text the browser would write styles
        // into attributes, which the policy of the page forbids.
        EditorView.domEventHandlers({
          beforeinput(e, view) {
            if (e.isComposing || !/^insert(Text|ReplacementText)$/.test(e.inputType) || e.data == null) return false
            if (view.state.selection.main.empty && !e.data.includes('\n')) return false
            e.preventDefault()
            view.dispatch({ ...view.state.replaceSelection(e.data), userEvent: 'input.type', scrollIntoView: true })
            return true
          },
        }),
        EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': area.getAttribute('aria-label') }),
        EditorView.updateListener.of((u) => {
          if (!u.docChanged) return
          area.value = u.state.doc.toString()
          changed()
        }),
      ],
    }),
  })
  area.hidden = true
  return view
}
