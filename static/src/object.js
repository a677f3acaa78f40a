// An object's page stays what the object is: when it changes the server makes
// the page anew, and only what is different is put in.
import { Idiomorph } from 'idiomorph'
import { anew } from './anew.js'
import { $, say } from './html.js'
import { msg } from './messages.js'
import { subscribe } from './socket.js'
import { tick } from './time.js'

const open = new Map() // root -> subscription

/** start brings the object below root to life, and ends the one before. */
export function start(root) {
  open.get(root)?.()
  open.delete(root)
  const el = $('[data-object]', root)
  if (el && !el.dataset.edit) open.set(root, follow(root, el))
}

// resting tells that nobody looks, or that nothing is to move.
const resting = () => document.hidden || $('#live')?.dataset.state === 'paused'

function follow(root, el) {
  let timer = 0
  const panel = root.id === 'panel'
  const refresh = anew(el, () => ({
    address: $('.tabs [aria-current]', el)?.href ?? location.href,
    form: panel ? 'panel' : 'page', select: panel ? '[data-object]' : '#main [data-object]',
  }), (now) => {
    Idiomorph.morph(el, now, { ignoreActiveValue: true, callbacks: { beforeNodeMorphed: (node) => !node.hasAttribute?.('data-keep'), beforeAttributeUpdated: (name, node) => !(name === 'open' && node.nodeName === 'DETAILS') } })
    tick(el)
    wait()
  })
  // Some of what is shown is right for a while only: a lease runs out.
  const wait = () => {
    clearTimeout(timer)
    if (el.dataset.fresh && el.isConnected) timer = setTimeout(() => { if (resting()) wait(); else refresh() }, el.dataset.fresh * 1000)
  }
  wait()
  const live = subscribe(() => ({ kind: 'object', url: el.dataset.object + (el.dataset.tab && '?tab=' + el.dataset.tab), from: 0, size: 1 }), (m) => {
    if (!m.object) return
    if (!m.object.uid) return gone(el)
    if ('own' in el.dataset) return // the tab keeps itself up to date
    if (m.object.beside || m.object.version !== el.dataset.version || m.object.uid !== el.dataset.uid) refresh()
  })
  return () => { clearTimeout(timer); live.close() }
}

function gone(el) {
  if (el.classList.contains('gone')) return
  el.classList.add('gone')
  say(msg('This object has been deleted.'))
  const p = document.createElement('p')
  p.className = 'banner'
  p.setAttribute('role', 'status')
  p.textContent = msg('This object has been deleted; this is what it was last.')
  $('header', el).after(p)
}
