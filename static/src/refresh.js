// Pages that are made of lists: when the server says that such a page would look
// different it is asked for again, and only what is different is put in. Where
// the page has plots they are drawn by a script of their own.
import { Idiomorph } from 'idiomorph'
import { $, page } from './html.js'
import { subscribe } from './socket.js'
import { tick } from './time.js'

let open = null

/** start brings a page with data-refresh="KIND" to life, and ends the one before. */
export function start(root) {
  open?.close()
  open = null
  const el = $('[data-refresh]', root)
  if (!el) return
  draw(el)
  let busy = false, again = false
  open = subscribe(() => ({ kind: el.dataset.refresh, url: location.pathname + location.search, from: 0, size: 1, have: el.dataset.version ? [el.dataset.version] : [] }), async (m) => {
    if (!m.page) return
    if (busy) { again = true; return }
    busy = true
    do {
      again = false
      await load(el)
    } while (again)
    busy = false
  })
}

async function load(el) {
  const answer = await fetch(location.href, { headers: { 'X-Pilothouse': 'page' } }).catch(() => null)
  if (!answer?.ok || !el.isConnected) return
  const now = $('#main [data-refresh]', page(await answer.text()))
  if (!now || !el.isConnected) return
  Idiomorph.morph(el, now, {
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (was, next) => {
        if (!was.matches?.('[data-plot]')) return true
        if (was.dataset.plot !== next.dataset.plot) was.dataset.plot = next.dataset.plot
        return false // what is inside is drawn from the attribute
      },
      beforeAttributeUpdated: (name, node) => !(name === 'open' && node.nodeName === 'DETAILS'),
    },
  })
  tick(el)
  draw(el)
}

async function draw(el) {
  if (!$('[data-plot]', el)) return
  const { plots } = await import('./plots.js')
  if (el.isConnected) plots(el)
}
