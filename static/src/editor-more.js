// What the editor needs when one begins to use it, and not to show a text:
// completion and search. editor.js loads it.
import { autocompletion, closeBrackets, startCompletion } from '@codemirror/autocomplete'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { keymap, runScopeHandlers } from '@codemirror/view'
import './editor.js' // so that what both need is one file with the editor: it is smaller

/** more is what is added to an editor; source gives completions. */
export const more = (source) => [
  closeBrackets(), highlightSelectionMatches(), search({ top: true }), autocompletion({ override: [source] }), keymap.of(searchKeymap),
]

/** goOn does what was asked for meanwhile: a key, or a completion of what was typed. */
export function goOn(view, key, typed) {
  if (key) runScopeHandlers(view, key, 'editor')
  else if (typed) startCompletion(view)
}
