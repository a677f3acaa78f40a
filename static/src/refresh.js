// Pages that are made of lists: when the server says that such a page would look
// different it is asked for again, and only what is different is put in. Where
// the page has plots they are drawn by a script of their own.
import { Idiomorph } from 'idiomorph'
import { anew } from './anew.js'
import { $ } from './html.js'
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
  const load = anew(el, () => ({ address: location.href, form: 'page', select: '#main [data-refresh]' }), (now) => put(el, now))
  open = subscribe(() => ({ kind: el.dataset.refresh, url: location.pathname + location.search, from: 0, size: 1, have: el.dataset.version ? [el.dataset.version] : [] }), (m) => { if (m.page) load() })
}

function put(el, now) {
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
