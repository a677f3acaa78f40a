// A raw watch, event by event, the newest first.
import { $, fragment } from './html.js'
import { subscribe } from './socket.js'

const most = 500

let sub = null

/** start follows the watch that a page shows. */
export function start(root) {
  sub?.close()
  sub = null
  const el = $('[data-feed]', root)
  if (!el) return
  const body = $('[data-events]', el)
  $('[data-feed-clear]', el).onclick = () => body.replaceChildren()
  sub = subscribe(() => ({ kind: 'feed', url: el.dataset.feed, from: 0, size: 1 }), (m) => {
    if (m.error) {
      const p = document.createElement('p')
      p.className = 'problem'
      p.setAttribute('role', 'alert')
      p.textContent = m.error.problem ?? m.error.Message
      body.closest('.scroll').before(p)
      return
    }
    if (!m.feed) return
    $('[data-counts]', el).textContent = Object.entries(m.feed.counts).sort().map(([k, n]) => `${n.toLocaleString('en')} ${k}`).join(' · ') +
      (m.feed.version ? ` · version ${m.feed.version}` : '')
    if (m.feed.skipped) body.prepend(fragment(`<table><tbody><tr><td colspan="5" class="dim">${Number(m.feed.skipped)} events came too fast to be shown</td></tr></tbody></table>`).querySelector('tr'))
    if (m.feed.rows) body.prepend(...fragment(`<table><tbody>${m.feed.rows.reverse().join('')}</tbody></table>`).querySelectorAll('tr'))
    while (body.rows.length > most) body.lastElementChild.remove()
  })
}
