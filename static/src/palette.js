// The palette: one field that finds any object, kind, page or command, and what
// can be done with the object that one looks at. Nothing is loaded before
// something is typed; the server ranks. What was seen lately stands before what
// fits as well, and drafts that wait stand first of all.
import { places } from './drafts.js'
import { $, $$, fragment, safe, say } from './html.js'
import { current } from './list.js'
import { msg } from './messages.js'
import { follow } from './navigate.js'

const el = $('#palette')
const most = 30
const recent = 'recent ' + ($('.who')?.textContent ?? '')
let asking = null // what stops the question that is on its way
let answered = Promise.resolve()
let at = '' // the page of what can be acted on

document.addEventListener('palette', open)
document.addEventListener('page', () => seen($('#main')))
document.addEventListener('seen', (e) => seen(e.target))

const read = () => JSON.parse(localStorage.getItem(recent) ?? '[]')

function remember(r) {
  const list = read().filter((o) => o.href !== r.href)
  list.unshift(r)
  try { localStorage.setItem(recent, JSON.stringify(list.slice(0, most))) } catch { /* the disk is full */ }
}

// seen remembers the object or the list that root shows.
function seen(root) {
  const object = $('[data-object]', root), list = $('[data-list]', root)
  const where = (path) => path.match(/\/namespaces\/([^/]+)\//)?.[1] ?? ''
  if (object && !object.dataset.edit) {
    const name = $('.title :is(h1, h2)', object).textContent.trim()
    remember({ href: object.dataset.object, kind: $('.kind', object).textContent, text: name, note: where(object.dataset.object) })
  } else if (list) {
    remember({ href: list.dataset.list, kind: 'list', text: list.dataset.path.split('/').at(-1), note: [where(list.dataset.path), new URL(list.dataset.list, location).searchParams.get('q') ?? ''].join(' ').trim() })
  }
}

// drafts are the edits that were left without a save.
const drafts = () => places().map((path) => {
  return { href: path === '/ui/apply' ? path : path + '?edit=1', kind: 'draft', text: path.split('/').at(-1), note: path.match(/\/namespaces\/([^/]+)\//)?.[1] ?? '' }
})

// target is the page of the object that keys would act on, or of the list.
function target() {
  const object = $('#panel:not([hidden]) [data-object]') ?? $('#main [data-object]')
  if (object) return object.dataset.object
  const row = current()?.row()
  return row ? new URL($('a[data-open]', row).href).pathname : $('#main [data-list]')?.dataset.path ?? ''
}

function open() {
  if (!el || el.open) return
  at = target()
  el.replaceChildren(fragment(`<input type="search" role="combobox" aria-expanded="true" aria-controls="results" aria-label="${safe(msg('Search or jump to'))}"
    placeholder="${safe(msg('A name, a kind, an action, or pods -n shop -l app=web'))}" autocomplete="off" spellcheck="false"><div></div>`))
  el.showModal()
  const input = $('input', el)
  input.addEventListener('input', () => { answered = ask(input.value) })
  const here = location.pathname + location.search
  show(box([...drafts(), ...read().filter((r) => r.href !== here && r.href !== location.pathname)].slice(0, 14)))
  input.focus()
}

// box is a list of results.
function box(list) {
  const b = document.createElement('div')
  b.id = 'results'
  b.className = 'results'
  b.setAttribute('role', 'listbox')
  b.setAttribute('aria-label', msg('Recent'))
  b.append(...list.map(option))
  return b
}

// note is a line below them.
const note = (text) => Object.assign(document.createElement('p'), { className: 'dim note', role: 'status', textContent: text })

// Kinds of results that are no kinds of objects; others are Kubernetes' names.
const kinds = { action: msg('action'), list: msg('list'), draft: msg('draft'), page: msg('page'), 'go to': msg('go to') }

function option(r) {
  const a = document.createElement('a')
  a.href = r.href
  a.tabIndex = -1
  a.setAttribute('role', 'option')
  const part = (name, className, text, translate = false) => Object.assign(document.createElement(name), { className, textContent: text, translate })
  a.append(part('span', 'dim', kinds[r.kind] ?? r.kind, r.kind in kinds), ' ', part('b', '', r.text), ' ', part('span', 'dim', r.note))
  return a
}

// rank tells how well a name fits, as the server does it.
function rank(name, q) {
  const i = name.indexOf(q)
  if (name === q) return 0
  if (i >= 0) return i ? 2 : 1
  let at = 0
  for (const letter of name) if (letter === q[at]) at++
  return at === q.length && q.length > 2 ? 3 : -1
}

async function ask(value) {
  asking?.abort()
  const q = value.trim().replace(/^:/, '').toLowerCase()
  if (!q) return show(box(read().slice(0, 14)))
  const mine = asking = new AbortController()
  const known = read().map((r) => ({ ...r, rank: rank(r.text.toLowerCase(), q) })).filter((r) => r.rank >= 0)
  try {
    const answer = await fetch('/ui/search?' + new URLSearchParams({ q: value, at }), { headers: { 'X-Pilothouse': 'palette' }, signal: mine.signal })
    if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
    const text = await answer.text()
    if (!answer.ok) return show(box(known), note(msg('The server refused.')))
    const found = fragment(text)
    put(found, known)
    show(found)
  } catch (e) {
    if (e.name === 'AbortError') return
    show(box(known), note(msg('The server does not answer.')))
  }
}

// put puts what was seen lately before what fits no better.
function put(found, known) {
  const results = $('.results', found)
  const none = !results.children.length
  for (const r of known) {
    const same = $$('a', results).find((a) => a.getAttribute('href') === r.href && !a.dataset.known)
    const a = same ?? option(r)
    a.dataset.known = ''
    a.dataset.rank = r.rank
    const after = $$('a', results).find((o) => o !== a && (Number(o.dataset.rank) > r.rank || Number(o.dataset.rank) === r.rank && !('known' in o.dataset)))
    results.insertBefore(a, after ?? null)
  }
  if (known.length && none && !$('.note[data-unread]', found)) $('.note', found)?.remove()
}

function show(...nodes) {
  $(':scope > div', el).replaceChildren(...nodes)
  $$('[role=option]', el).forEach((li, i) => { li.id = 'option' + i })
  mark(0)
}

function mark(i) {
  const all = $$('[role=option]', el)
  const n = Math.min(Math.max(i, 0), all.length - 1)
  all.forEach((li, k) => li.setAttribute('aria-selected', String(k === n)))
  all[n]?.scrollIntoView({ block: 'nearest' })
  const input = $('input', el)
  if (all[n]) input.setAttribute('aria-activedescendant', all[n].id)
  else input.removeAttribute('aria-activedescendant')
  return n
}

const marked = () => $$('[role=option]', el).findIndex((li) => li.getAttribute('aria-selected') === 'true')

el?.addEventListener('keydown', (e) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[e.key]
  if (by) {
    e.preventDefault()
    mark(marked() + by)
  } else if (e.key === 'Escape') { // browsers would empty the field first
    e.preventDefault()
    el.close()
  } else if (e.key === 'Enter') {
    e.preventDefault()
    const apart = e.ctrlKey || e.metaKey
    answered.then(() => { // what is chosen is of what was typed
      const a = el.open && $$('[role=option]', el)[Math.max(0, marked())]
      if (a?.ariaDisabled) say($('.why', a).textContent) // it stays, to be read
      else if (a) choose(a, apart)
    })
  }
})

el?.addEventListener('click', (e) => {
  const a = e.target.closest('a')
  if (a && !e.ctrlKey && !e.metaKey) {
    e.preventDefault()
    e.stopPropagation()
    choose(a, false)
  } else if (e.target === el) el.close()
})

function choose(a, apart) {
  const [name, text, note] = [...a.children].map((c) => c.textContent)
  const kind = Object.keys(kinds).find((k) => kinds[k] === name) ?? name
  const href = a.getAttribute('href')
  if (kind !== 'draft' && kind !== 'action') remember({ href, kind, text, note })
  el.close()
  if (apart) window.open(a.href, '_blank', 'noopener')
  else follow(kind === 'action' ? button(href) ?? a : a) // as its own button does it
}

// button is the page's own link to an action.
const button = (href) => $$('#panel:not([hidden]) a, #main a').find((a) => a.getAttribute('href') === href)
