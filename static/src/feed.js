// A raw watch, event by event, the newest first.
import { $, $$, fragment, later, safe, told } from './html.js'
import { msg, msgs, number } from './messages.js'
import { subscribe } from './socket.js'

const most = 500

const open = new Map() // root -> what ends the feed below it

/** start follows the watch that is shown below root, and ends the one before. */
export function start(root) {
  open.get(root)?.()
  open.delete(root)
  const el = $('[data-feed]', root)
  if (el && !$('.problem', el)) open.set(root, follow(el))
}

function follow(el) {
  const body = $('[data-events]', el)
  const pause = $('[data-feed-pause]', el)
  const find = $('[data-feed-find]', el)
  const buttons = $$('[data-feed-type]', el)
  let sub = null, version = '', before = {}, counts = {}
  const table = (rows) => [...fragment(`<table><tbody>${rows}</tbody></table>`).querySelectorAll('tr')]

  // What is left out stays in the table: it is shown again when it is wanted.
  const sift = (row) => {
    const type = buttons.find((b) => b.dataset.feedType === row.dataset.type)
    row.hidden = type?.ariaPressed === 'false' || !row.textContent.toLowerCase().includes(find.value.trim().toLowerCase())
  }
  const take = (m) => {
    if (m.error) {
      const p = $('[data-feed-problem]', el) ?? document.createElement('p')
      p.className = 'problem'
      p.dataset.feedProblem = ''
      p.setAttribute('role', 'alert')
      p.textContent = told(m.error)
      body.closest('.scroll').before(p)
      if (later(m.error)) setTimeout(() => { if (el.isConnected) sub?.reopen() }, later(m.error))
      return
    }
    if (!m.feed) return
    $('[data-feed-problem]', el)?.remove()
    version = m.feed.version || version
    counts = { ...before }
    for (const [type, n] of Object.entries(m.feed.counts)) counts[type] = (before[type] ?? 0) + n
    for (const b of buttons) b.firstElementChild.textContent = number(counts[b.dataset.feedType] ?? 0)
    at()
    if (m.feed.skipped) body.prepend(...table(`<tr class="note"><td colspan="5" class="dim">${safe(msgs(m.feed.skipped, '{n} event came too fast to be shown', '{n} events came too fast to be shown'))}</td></tr>`))
    if (m.feed.rows) {
      const rows = table(m.feed.rows.reverse().join(''))
      rows.forEach(sift)
      body.prepend(...rows)
    }
    while (body.rows.length > most) body.lastElementChild.remove()
  }
  const at = () => { $('[data-feed-at]', el).textContent = version && (sub ? msg('at version {version}', { version }) : msg('paused at version {version}', { version })) }
  // Whatever comes between, the server goes on after the last version seen here.
  const resume = () => {
    sub = subscribe(() => {
      before = counts
      return { kind: 'feed', url: el.dataset.feed, from: 0, size: 1, anchor: version }
    }, take)
  }
  const show = () => {
    pause.textContent = sub ? msg('Pause') : msg('Resume')
    pause.setAttribute('aria-pressed', String(!sub))
    at()
  }
  const end = () => { sub?.close(); sub = null }

  pause.onclick = () => { sub ? end() : resume(); show() }
  $('[data-feed-clear]', el).onclick = () => body.replaceChildren()
  find.oninput = () => [...body.rows].forEach(sift)
  for (const b of buttons) {
    b.onclick = () => {
      b.ariaPressed = String(b.ariaPressed === 'false')
      ;[...body.rows].forEach(sift)
    }
  }
  resume()
  return end
}
