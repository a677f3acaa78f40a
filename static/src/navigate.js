// Links of the dashboard replace the page's parts instead of the page, so that
// the tab keeps its websocket. Without this file they are just links.
import { $, $$, page, say } from './html.js'
import * as forms from './forms.js'
import { openDock, startLogs } from './dockstart.js'
import * as explore from './explore.js'
import * as feed from './feed.js'
import { closeMenus } from './menus.js'
import * as list from './list.js'
import { language, msg } from './messages.js'
import * as object from './object.js'
import * as refresh from './refresh.js'
import * as panel from './panel.js'
import { tick } from './time.js'
import * as toast from './toast.js'

let going = null

/** here starts what the page has. */
export function here() {
  tick()
  list.start($('#main'))
  object.start($('#main'))
  forms.start($('#main'))
  explore.start($('#main'))
  feed.start($('#main'))
  refresh.start($('#main'))
  startLogs($('#main'))
  panel.fromAddress()
  document.dispatchEvent(new CustomEvent('page'))
  const el = $('#main [data-asks], #main [data-job]')
  if (el) (el.dataset.job ? import('./job.js') : import('./asks.js')).then((m) => el.isConnected && m.start(el, again))
}

/** go shows another page of the dashboard; post is a form's content. */
export async function go(address, { push = true, focus = true, post = null } = {}) {
  if (!post && !forms.leaves()) return
  going?.abort()
  const mine = going = new AbortController()
  closeMenus()
  let answer, text
  try {
    answer = await fetch(address, { method: post ? 'POST' : 'GET', body: post, headers: { 'X-Pilothouse': 'page' }, signal: mine.signal })
    text = await answer.text()
  } catch (e) {
    if (e.name === 'AbortError') return
    if (post) return failed(msg('The server did not answer; nothing was sent again. Your text is still here.'))
    return location.assign(address)
  }
  if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
  const doc = answer.headers.get('Content-Type')?.startsWith('text/html') ? page(text) : null
  if (!doc || !$('#nav', doc)) return post ? failed(msg('The server gave no page.')) : location.assign(address)
  if (post && answer.redirected) { $('[data-kept]', doc) || forms.forget(); toast.tell() }
  // The scripts speak the language of this page: another one loads them anew.
  if (doc.documentElement.lang !== language && (!post || answer.redirected)) return location.assign(answer.url)
  const to = answer.redirected ? answer.url : push && !post ? new URL(address, location.href).href : ''
  if (to) history[to === location.href ? 'replaceState' : 'pushState']({}, '', to) // one step back leaves a page
  panel.close(false)
  show(doc)
  if (focus) $('#main').focus({ preventScroll: true })
  say(document.title)
  here()
}

function show(doc) {
  for (const id of ['main', 'crumbs', 'nav']) {
    const [was, now] = [$('#' + id), $('#' + id, doc)]
    if (id === 'nav') keepOpen(was, now)
    if (id === 'nav' && was.innerHTML === now.innerHTML) continue
    was.replaceChildren(...document.importNode(now, true).childNodes)
  }
  document.title = doc.title
  toast.start(doc)
  document.body.classList.remove('menu-open')
}

function failed(text) {
  const p = document.createElement('p')
  p.className = 'problem'
  p.setAttribute('role', 'alert')
  p.textContent = text
  $('#main header')?.after(p)
}

// keepOpen keeps the groups of the navigation as the user has them.
function keepOpen(was, now) {
  const open = new Set($$('details[open] > summary', was).map((s) => s.textContent))
  for (const d of $$('details', now)) if (!d.matches('.picker') && open.has(d.firstElementChild.textContent)) d.open = true
}

const ours = (a) => a.origin === location.origin && a.pathname.startsWith('/ui/') && !a.pathname.startsWith('/ui/static/')

document.addEventListener('click', (e) => {
  const a = e.target.closest?.('a[href]')
  if (!a || a.dataset.act || e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return
  if (!ours(a) || a.target || a.hasAttribute('download') || a.getAttribute('href').startsWith('#')) return
  e.preventDefault()
  follow(a)
})

// sort turns the address that sorts by a column into the next one: the head may
// not have been told yet what the address says already.
function sort(u) {
  const name = new URL(u).searchParams.get('sort')
  const q = new URLSearchParams(location.search)
  const by = name ?? q.get('sort')
  if (q.get('sort') !== by) { q.set('sort', by); q.delete('desc') }
  else if (!q.has('desc')) q.set('desc', '1')
  else { q.delete('sort'); q.delete('desc') }
  q.delete('page')
  u.search = q
}

/** follow does what a click on a link does. */
export function follow(a) {
  const u = new URL(a.href)
  if (a.dataset.dock) return openDock(a)
  const here = list.current()
  if (here && (a.matches('[data-sort]') || a.matches('[data-wide]'))) {
    if (a.matches('[data-sort]')) sort(u)
    else {
      u.search = location.search
      if (u.searchParams.has('wide')) u.searchParams.delete('wide')
      else u.searchParams.set('wide', '1')
    }
    u.pathname = location.pathname
    const sel = new URL(location).searchParams.get('sel')
    if (sel) u.searchParams.set('sel', sel)
    return here.go(u, true)
  }
  if (a.matches('[data-open]') && here && panel.fits()) return panel.open(a)
  if (a.matches('[data-tab]') && a.closest('#panel')) return panel.show(a.href)
  return go(u.pathname + u.search)
}

document.addEventListener('submit', (e) => {
  const f = e.target
  // Attributes, because fields named method or action hide the properties.
  const [method, action] = [f.getAttribute('method'), f.getAttribute('action')]
  if (e.defaultPrevented || method === 'dialog') return
  if (method === 'post') {
    if (!f.matches('[data-soft], [data-rows]')) return
    e.preventDefault()
    if (f.matches('[data-url]')) f.elements.url.value = location.pathname + location.search
    const focus = !f.matches('[data-edit]')
    if (f.matches('[data-toast]')) toast.close()
    return go(new URL(action, location).pathname, { focus, post: new URLSearchParams(new FormData(f, e.submitter)) })
  }
  e.preventDefault()
  const u = new URL(action, location)
  const q = new URLSearchParams(new FormData(f, e.submitter))
  const ns = q.getAll('ns')
  if (ns.length > 1) q.set('ns', ns.join(','))
  const cols = q.getAll('cols').map((c) => c.trim()).filter(Boolean)
  if (cols.length) q.set('cols', cols.join(','))
  else if (q.has('cols')) q.delete('cols')
  u.search = q
  go(u.pathname + u.search)
})

// The session acts as someone else, or as itself again: what is shown is theirs
// from now on. Text that is not saved stays.
document.addEventListener('identity', async () => {
  if (!forms.unsaved()) return again()
  const answer = await fetch('/ui/whoami', { headers: { 'X-Pilothouse': 'page' } }).catch(() => null)
  if (!answer?.ok) return
  $('.banner.as')?.remove()
  const banner = $('.banner.as', page(await answer.text()))
  if (banner) $('#main').prepend(document.importNode(banner, true))
})

// bare is the address of a list without what is beside it.
function bare(address) {
  const u = new URL(address, location)
  u.searchParams.delete('sel')
  return u.search
}

const again = () => go(location.pathname + location.search, { push: false, focus: false })
document.addEventListener('again', again)

let shown = location.pathname
addEventListener('popstate', () => {
  const u = new URL(location)
  const l = list.current()
  if (l && u.pathname === shown && new URL(l.url, location).pathname === u.pathname) {
    going?.abort() // one went forward and back before the other page was there
    panel.fromAddress()
    return bare(l.url) === bare(u) || l.go(u, false)
  }
  go(u.pathname + u.search, { push: false })
})
document.addEventListener('page', () => { shown = location.pathname })
