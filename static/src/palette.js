// The palette: one field that finds any object, kind, page or command. Nothing is
// loaded before something is typed; the server ranks.
import { $, $$, fragment } from './html.js'
import { follow } from './navigate.js'

const el = $('#palette')
const recent = 'recent'
let asking = null

document.addEventListener('palette', open)

function open() {
  if (!el || el.open) return
  el.replaceChildren(fragment(`<input type="search" role="combobox" aria-expanded="true" aria-controls="results" aria-label="Search or jump to"
    placeholder="A name, a kind, or pods -n shop -l app=web" autocomplete="off" spellcheck="false"><div></div>`))
  el.showModal()
  const input = $('input', el)
  input.addEventListener('input', () => ask(input.value))
  show(recents())
  input.focus()
}

function recents() {
  const list = JSON.parse(localStorage.getItem(recent) ?? '[]')
  const box = document.createElement('div')
  box.id = 'results'
  box.className = 'results'
  box.setAttribute('role', 'listbox')
  box.setAttribute('aria-label', 'Recent')
  for (const r of list) {
    const a = document.createElement('a')
    a.href = r.href
    a.tabIndex = -1
    a.setAttribute('role', 'option')
    a.textContent = r.text
    box.append(a)
  }
  return box
}

async function ask(q) {
  asking?.abort()
  if (!q.trim()) return show(recents())
  const mine = asking = new AbortController()
  try {
    const answer = await fetch('/ui/search?q=' + encodeURIComponent(q), { headers: { 'X-Pilothouse': 'palette' }, signal: mine.signal })
    if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
    show(fragment(await answer.text()))
  } catch (e) {
    if (e.name !== 'AbortError') throw e
  }
}

function show(nodes) {
  $(':scope > div', el).replaceChildren(nodes)
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
  } else if (e.key === 'Enter') {
    e.preventDefault()
    const a = $$('[role=option]', el)[Math.max(0, marked())]
    if (a) choose(a, e.ctrlKey || e.metaKey)
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
  const list = JSON.parse(localStorage.getItem(recent) ?? '[]').filter((r) => r.href !== a.getAttribute('href'))
  list.unshift({ href: a.getAttribute('href'), text: a.textContent.trim() })
  localStorage.setItem(recent, JSON.stringify(list.slice(0, 12)))
  el.close()
  if (apart) window.open(a.href, '_blank', 'noopener')
  else follow(a)
}
