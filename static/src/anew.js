// Parts of a page that are fetched anew when the server says that they would look
// different.
import { fragment, page } from './html.js'

const patience = 30_000
const pause = 5000

/**
 * anew gives what fetches el again: find tells the address, the form that is wanted
 * and the selector of the part, put takes the part. While one request runs, others
 * become one that follows it. A server that does not answer, or cannot, is asked
 * again; one that refuses is not.
 */
export function anew(el, find, put) {
  let busy = false, again = false
  const part = async () => {
    const { address, form, select } = find()
    const answer = await fetch(address, { headers: { 'X-Pilothouse': form }, signal: AbortSignal.timeout(patience) })
    if (answer.status === 429 || answer.status >= 500) throw new Error(answer.statusText)
    const text = await answer.text()
    return answer.ok && (form === 'panel' ? fragment(text) : page(text)).querySelector(select)
  }
  return async function run() {
    again = true
    if (busy) return
    busy = true
    try {
      while (again && el.isConnected) {
        again = false
        const now = await part().catch(() => undefined)
        if (now === undefined) setTimeout(run, pause)
        else if (now && el.isConnected) put(now)
      }
    } finally {
      busy = false
    }
  }
}
