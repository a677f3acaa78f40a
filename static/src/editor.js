// The YAML editor over a form's textarea. The textarea stays the form's field, so
// that everything works without this file.
import './shared.js'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { lintGutter, lintKeymap, linter } from '@codemirror/lint'
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, Prec } from '@codemirror/state'
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers, rectangularSelection } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { msg } from './messages.js'

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--yk)' },
  { tag: [tags.string, tags.content, tags.attributeValue], color: 'var(--ys)' },
  { tag: tags.number, color: 'var(--yn)' },
  { tag: [tags.bool, tags.null, tags.keyword], color: 'var(--yb)' },
  { tag: [tags.comment, tags.meta, tags.separator], color: 'var(--yc)' },
])

const look = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--side)', color: 'var(--text)', fontSize: '12px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '18px' },
  '.cm-content': { caretColor: 'var(--accent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '.cm-gutters': { backgroundColor: 'var(--side)', color: 'var(--yc)', border: '0' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { background: 'var(--flash)' },
  '.cm-panels': { backgroundColor: 'var(--raise)', color: 'var(--text)' },
  '.cm-tooltip': { backgroundColor: 'var(--raise)', border: '1px solid var(--line2)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-bg)', color: 'var(--on-accent)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
  '.cm-lint-marker': { width: '10px' },
  '.cm-gutter-lint': { width: '16px' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)' },
  '.cm-searchMatch': { backgroundColor: 'var(--flash)' },
  '.cm-textfield': { backgroundColor: 'var(--side)', border: '1px solid var(--line2)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--raise)', border: '1px solid var(--line2)' },
})

// What the editor itself says, to eyes and to screen readers.
const phrases = {
  Find: msg('Find'), Replace: msg('Replace'), next: msg('next'), previous: msg('previous'), all: msg('all'), replace: msg('replace'), 'replace all': msg('replace all'),
  'match case': msg('match case'), regexp: msg('regexp'), 'by word': msg('by word'), close: msg('close'), 'current match': msg('current match'), 'on line': msg('on line'),
  'replaced match on line $': msg('replaced match on line $'), 'replaced $ matches': msg('replaced $ matches'), 'Go to line': msg('Go to line'), go: msg('go'),
  'Control character': msg('Control character'), 'Selection deleted': msg('Selection deleted'), Completions: msg('Completions'), Diagnostics: msg('Diagnostics'), 'No diagnostics': msg('No diagnostics'),
  'Folded lines': msg('Folded lines'), 'Unfolded lines': msg('Unfolded lines'), to: msg('to'), 'folded code': msg('folded code'), unfold: msg('unfold'), 'Fold line': msg('Fold line'), 'Unfold line': msg('Unfold line'),
}

const keyAt = /[A-Za-z0-9_./$-]+(?=\s*:)/g

// about tells what the field under the pointer is.
const about = (describe) => hoverTooltip(async (view, pos) => {
  const line = view.state.doc.lineAt(pos)
  const key = [...line.text.matchAll(keyAt)].find((m) => line.from + m.index <= pos && pos <= line.from + m.index + m[0].length)
  if (!key) return null
  const [from, to] = [line.from + key.index, line.from + key.index + key[0].length]
  const field = await describe(view.state.doc.toString(), to).catch(() => null)
  if (!field) return null
  return { pos: from, end: to, above: true, create: () => ({ dom: card(field) }) }
}, { hoverTime: 350 })

function card(field) {
  const part = (name, className, text) => Object.assign(document.createElement(name), { className, textContent: text })
  const dom = part('div', 'hover', '')
  const head = part('p', 'head', '')
  head.append(part('a', '', field.path), ' ', part('code', 'dim', field.type))
  head.firstChild.href = field.href
  head.firstChild.target = '_blank'
  dom.append(head)
  if (field.notes) dom.append(part('p', 'dim', field.notes.join(' · ')))
  if (field.description) dom.append(part('p', 'prose', field.description))
  return dom
}

// marks are the problems that check finds, at their places.
const marks = (check) => linter(async (view) => {
  const doc = view.state.doc
  const list = await check(doc.toString()).catch(() => [])
  if (view.state.doc !== doc) return []
  return list.filter((m) => m.line <= doc.lines).map((m) => {
    const line = doc.line(m.line)
    const from = Math.min(line.to, line.from + m.column - 1)
    return { from, to: Math.max(from, m.end ? Math.min(line.to, line.from + m.end - 1) : line.to), severity: m.severity, message: m.text }
  })
}, { delay: 400 })

// dropped puts the text of files into the editor.
const dropped = EditorView.domEventHandlers({
  drop(e, view) {
    if (!e.dataTransfer?.files.length) return false
    e.preventDefault()
    insertFiles(view, e.dataTransfer.files)
    return true
  },
})

// Keys of search and completion.
const theirs = (e) => e.key === 'F3' || (e.ctrlKey || e.metaKey) && (/^[fgd ]$/i.test(e.key) || e.shiftKey && /^l$/i.test(e.key))

// whenUsed loads search and completion with the first key or click, and does with
// them what that key was for.
function whenUsed(source) {
  const place = new Compartment()
  let begun = false, there = false
  let key = null // the last one that waits for them
  const begin = async (view) => {
    if (begun) return
    begun = true
    const doc = view.state.doc
    const { more, goOn } = await import('./editor-more.js').catch(() => { begun = false; return {} })
    if (!more || !view.dom.isConnected) return
    there = true
    view.dispatch({ effects: place.reconfigure(more(source)) })
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
  return [place.of([]), Prec.highest(first)]
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
        lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), history(), drawSelection(), EditorState.allowMultipleSelections.of(true),
        rectangularSelection(), indentOnInput(), indentUnit.of('  '), bracketMatching(),
        yaml(), syntaxHighlighting(colours), look, whenUsed(source), about(describe), marks(check), lintGutter(), dropped,
        keymap.of([...defaultKeymap.filter((k) => k.key !== 'Mod-Enter'), ...historyKeymap, ...foldKeymap, ...lintKeymap, indentWithTab]),
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
