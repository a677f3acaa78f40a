// The YAML editor over a form's textarea. The textarea stays the form's field, so
// that everything works without this file.
import { autocompletion, closeBrackets } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState } from '@codemirror/state'
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, rectangularSelection } from '@codemirror/view'
import { tags } from '@lezer/highlight'

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
  '.cm-searchMatch': { backgroundColor: 'var(--flash)' },
  '.cm-textfield': { backgroundColor: 'var(--side)', border: '1px solid var(--line2)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--raise)', border: '1px solid var(--line2)' },
})

/** edit puts an editor in the place of a textarea. complete(text, position) gives
 * completions. */
export function edit(area, nonce, { changed, complete }) {
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
        EditorView.cspNonce.of(nonce),
        lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), history(), drawSelection(), EditorState.allowMultipleSelections.of(true),
        rectangularSelection(), indentOnInput(), indentUnit.of('  '), bracketMatching(), closeBrackets(), highlightSelectionMatches(), search({ top: true }),
        yaml(), syntaxHighlighting(colours), look, autocompletion({ override: [source] }),
        keymap.of([...defaultKeymap.filter((k) => k.key !== 'Mod-Enter'), ...historyKeymap, ...searchKeymap, ...foldKeymap, indentWithTab]),
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
