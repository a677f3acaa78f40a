// The clipboard.
import { say } from './html.js'
import { msg } from './messages.js'

/** copy puts a text into the clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch { // an address that browsers do not trust has no clipboard
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'vh'
    document.body.append(area)
    const was = document.activeElement
    area.select()
    document.execCommand('copy')
    area.remove()
    was?.focus?.({ preventScroll: true })
  }
  say(msg('{text} was copied.', { text: text.length > 80 ? text.slice(0, 80) + '…' : text }))
}
