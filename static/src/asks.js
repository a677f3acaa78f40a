// The questions of a deletion of many: while the dialog is open the server is asked
// about all its objects, and the dialog shows how far that is and what came of it.
import './shared.js'
import { $, fragment, say } from './html.js'

let open = null

document.addEventListener('page', () => open?.abort())

/** start asks for the dialog of el, until another page is there. */
export async function start(el) {
  const { signal } = open = new AbortController()
  const body = new URLSearchParams(new FormData(el.closest('form')))
  body.set('ask', '1')
  try {
    const answer = await fetch('/ui/bulk', { method: 'POST', body, headers: { 'X-Pilothouse': 'asks' }, signal })
    if (!answer.ok) return
    let text = ''
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { value, done } = await reader.read()
      if (done) break
      text += value
      const states = text.split('\0')
      text = states.pop()
      if (states.length) el.replaceChildren(fragment(states.at(-1)))
    }
    say($('dl', el).innerText)
  } catch { /* the dialog is over, or the connection: what is known stays */ }
}
