// The panel beside a list shows the object of the current row.
import { $, fragment } from './html.js'
import { startLogs } from './dockstart.js'
import * as feed from './feed.js'
import * as list from './list.js'
import * as object from './object.js'
import { tick } from './time.js'

const el = $('#panel')
let opener = null
let loading = null

/** fits tells whether there is room for list and panel. */
export const fits = () => matchMedia('(min-width: 1000px)').matches

export const isOpen = () => !!el && !el.hidden

/** open shows the object that a link of the list leads to. */
export function open(a) {
  clearTimeout(following)
  opener = a
  return show(a.href)
}

/** show shows an object, or one of its tabs, and puts it into the address. */
export function show(href, push = true) {
  select(key(href), push)
  return load(href)
}

// select puts what the panel shows into the address; a step of its own is one
// that one can go back from.
function select(sel, push) {
  const u = new URL(location)
  if (sel) u.searchParams.set('sel', sel)
  else u.searchParams.delete('sel')
  const address = u.pathname + u.search
  if (push && address !== location.pathname + location.search) history.pushState({}, '', address)
  else history.replaceState({}, '', address)
}

// key names the object of an address, and its tab, for the address of the list.
const key = (href) => {
  const { pathname, searchParams } = new URL(href, location)
  const tab = searchParams.get('tab')
  return pathname.slice('/ui/'.length) + (tab ? '?tab=' + tab : '')
}

async function load(href) {
  loading?.abort()
  const mine = loading = new AbortController()
  try {
    const answer = await fetch(href, { headers: { 'X-Pilothouse': 'panel' }, signal: mine.signal })
    if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
    const text = await answer.text()
    el.replaceChildren(fragment(text))
  } catch (e) {
    if (e.name === 'AbortError') return
    throw e
  }
  el.hidden = false
  document.body.classList.add('panel-open')
  tick(el)
  object.start(el)
  feed.start(el)
  startLogs(el)
  el.dispatchEvent(new CustomEvent('seen', { bubbles: true }))
}

/** close closes the panel and goes back to its row. */
export function close(focus = true) {
  if (!isOpen()) return false
  loading?.abort()
  el.hidden = true
  el.replaceChildren()
  document.body.classList.remove('panel-open')
  object.start(el)
  feed.start(el)
  startLogs(el)
  if (focus && new URL(location).searchParams.has('sel')) select('', true)
  if (focus && opener?.isConnected) opener.focus()
  return true
}

/** fromAddress shows what the address says. */
export function fromAddress() {
  const sel = new URL(location).searchParams.get('sel')
  if (sel && list.current() && fits() && /^apis?\//.test(sel)) load('/ui/' + sel)
  else if (!sel) close(false)
}

// The panel follows the row.
let following = 0
document.addEventListener('focusin', (e) => {
  const a = e.target.closest?.('a[data-open]')
  if (!a || !isOpen() || a === opener) return
  clearTimeout(following)
  following = setTimeout(() => { opener = a; show(a.href, false) }, 80)
})
