// What the editor needs when one begins to use it, and not to show a text:
// completion, search, marks and what a field is. editor.js loads it.
import { autocompletion, closeBrackets, startCompletion } from '@codemirror/autocomplete'
import { lintGutter, lintKeymap, linter } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap, runScopeHandlers } from '@codemirror/view'
import './editor.js' // so that what both need is one file with the editor: it is smaller
import { msg } from './messages.js'

const look = EditorView.theme({
  '.cm-panels': { backgroundColor: 'var(--raise)', color: 'var(--text)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-bg)', color: 'var(--on-accent)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
  '.cm-lint-marker': { width: '10px' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)' },
  '.cm-searchMatch': { backgroundColor: 'var(--flash)' },
  '.cm-textfield': { backgroundColor: 'var(--side)', border: '1px solid var(--line2)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--raise)', border: '1px solid var(--line2)' },
})

const phrases = {
  Find: msg('Find'), Replace: msg('Replace'), next: msg('next'), previous: msg('previous'), all: msg('all'), replace: msg('replace'), 'replace all': msg('replace all'),
  'match case': msg('match case'), regexp: msg('regexp'), 'by word': msg('by word'), close: msg('close'), 'current match': msg('current match'), 'on line': msg('on line'),
  'replaced match on line $': msg('replaced match on line $'), 'replaced $ matches': msg('replaced $ matches'), 'Go to line': msg('Go to line'), go: msg('go'),
  Completions: msg('Completions'), Diagnostics: msg('Diagnostics'), 'No diagnostics': msg('No diagnostics'),
}

// refused are the lines that the server refused, as long as they say what they said;
// lines above may have come or gone.
function refused(view) {
  const { doc } = view.state
  return JSON.parse(view.dom.closest('[data-marks]')?.dataset.marks ?? '[]').flatMap((m) => {
    for (let by = 0; by < 200; by++) {
      for (const line of [m.line - by, m.line + by]) {
        if (line > 0 && line <= doc.lines && doc.line(line).text === m.was) return [{ ...m, line }]
      }
    }
    return []
  })
}

// marks are the problems that check finds, and what was refused, at their places.
const marks = (check) => linter(async (view) => {
  const doc = view.state.doc
  const found = await check(doc.toString()).catch(() => [])
  if (view.state.doc !== doc) return []
  const list = [...refused(view), ...found]
  return list.filter((m) => m.line <= doc.lines).map((m) => {
    const line = doc.line(m.line)
    const from = Math.min(line.to, line.from + m.column - 1)
    return { from, to: Math.max(from, m.end ? Math.min(line.to, line.from + m.end - 1) : line.to), severity: m.severity, message: m.text }
  })
}, { delay: 400 })

/** more is what is added to an editor; source gives completions, check what is wrong. */
export const more = (source, check) => [
  look, EditorState.phrases.of(phrases),
  marks(check), lintGutter(),
  closeBrackets(), highlightSelectionMatches(), search({ top: true }), autocompletion({ override: [source] }), keymap.of([...searchKeymap, ...lintKeymap]),
]

/** shown brings the first line that was refused into sight. */
export function shown(view) {
  const [first] = refused(view)
  if (first) view.dispatch({ effects: EditorView.scrollIntoView(view.state.doc.line(first.line).from, { y: 'center' }) })
}

/** goOn does what was asked for meanwhile: a key, or a completion of what was typed. */
export function goOn(view, key, typed) {
  if (key) runScopeHandlers(view, key, 'editor')
  else if (typed) startCompletion(view)
}

/** card shows what a field is. */
export function card(field) {
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
