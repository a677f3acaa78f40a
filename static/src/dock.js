// The dock below the pages: logs and shells that stay while one goes from page
// to page, and come back when a page is loaded again.
import './shared.js'
import { addDebug, held } from './dockstart.js'
import { $, fragment, say } from './html.js'
import { msg } from './messages.js'
import { resize } from './size.js'

const el = $('#dock')
const most = 24
let tabs = [] // { kind, title, hint, target or href, button, pane, shell }
let active = null
let small = false
let height = Number(sessionStorage.getItem('dock height')) || 0
let serial = 0

const foldWords = (small) => (small ? msg('Show the dock (Ctrl `)') : msg('Make the dock small (Ctrl `)'))

const button = (text, label, run, cls = 'icon') => {
  const b = document.createElement('button')
  b.type = 'button'
  b.className = cls
  b.textContent = text
  b.title = label
  b.setAttribute('aria-label', label)
  b.onclick = run
  return b
}

const parts = build()

function build() {
  const grip = document.createElement('div')
  grip.className = 'dockgrip'
  grip.tabIndex = 0
  grip.setAttribute('role', 'separator')
  grip.setAttribute('aria-orientation', 'horizontal')
  grip.setAttribute('aria-label', msg('Height of the dock'))
  const head = document.createElement('header')
  const list = document.createElement('div')
  list.setAttribute('role', 'tablist')
  list.setAttribute('aria-label', msg('Logs and shells'))
  const fold = button('▾', foldWords(false), () => setSmall(!small))
  const out = button('↗', msg('Open this tab in a window of its own'), () => popOut(active))
  out.dataset.popout = ''
  head.append(list, out, fold, button('✕', msg('Close this tab (Delete)'), () => close(active)))
  const body = document.createElement('div')
  body.className = 'dockbody'
  el.append(grip, head, body)
  grip.addEventListener('pointerdown', (e) => {
    grip.setPointerCapture(e.pointerId)
    grip.onpointermove = (m) => setHeight(innerHeight - m.clientY)
    grip.onpointerup = grip.onpointercancel = () => { grip.onpointermove = null; keep() }
  })
  grip.addEventListener('keydown', (e) => {
    const by = { ArrowUp: 24, ArrowDown: -24 }[e.key]
    if (!by) return
    e.preventDefault()
    e.stopPropagation()
    setHeight(body.parentNode.clientHeight + by)
    keep()
  })
  list.addEventListener('keydown', (e) => {
    const d = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
    const i = tabs.findIndex((t) => t.button === e.target)
    if (i < 0) return
    if (d) {
      show(tabs[(i + d + tabs.length) % tabs.length])
      active.button.focus()
    } else if (e.key === 'Delete') close(tabs[i])
    else return
    e.preventDefault()
    e.stopPropagation()
  })
  return { grip, head, list, fold, body }
}

function setHeight(px) {
  height = Math.round(Math.max(120, Math.min(px, innerHeight - 120)))
  el.style.height = height + 'px'
  parts.grip.setAttribute('aria-valuenow', String(height))
  parts.grip.setAttribute('aria-valuemin', '120')
  parts.grip.setAttribute('aria-valuemax', String(Math.max(120, innerHeight - 120)))
}

function setSmall(on) {
  small = on
  el.classList.toggle('small', on)
  parts.fold.textContent = on ? '▴' : '▾'
  parts.fold.title = foldWords(on)
  parts.fold.setAttribute('aria-label', parts.fold.title)
  parts.fold.setAttribute('aria-expanded', String(!on))
  if (!on) active?.shell?.focus()
  keep()
}

/** toggle makes the dock small or shows it. */
export function toggle() {
  if (tabs.length) setSmall(!small)
}

// keep writes down what is open, for the time after the page was loaded again.
function keep() {
  sessionStorage.setItem('dock height', String(height || ''))
  sessionStorage.setItem('dock', JSON.stringify({ small, active: tabs.indexOf(active), tabs: tabs.map(({ kind, title, hint, target, href }) => ({ kind, title, hint, target, href })) }))
}

/** openFrom opens what a link of the page leads to. */
export function openFrom(a) {
  const u = new URL(a.href)
  if (a.dataset.dock === 'logs') {
    const from = a.closest('[data-logs]')
    return open({ kind: 'logs', title: from?.dataset.title ?? msg('Logs'), hint: u.searchParams.get('container')?.replace('*', msg('all')) ?? '', href: u.pathname + u.search })
  }
  const m = u.pathname.match(/\/namespaces\/([^/]+)\/pods\/([^/]+)$/)
  if (!m) return
  const target = { ns: decodeURIComponent(m[1]), pod: decodeURIComponent(m[2]) }
  for (const name of ['container', 'attach', 'await']) if (u.searchParams.get(name)) target[name] = u.searchParams.get(name)
  return open({ kind: 'shell', title: target.pod, hint: target.attach ? msg('attach {container}', { container: target.container ?? '' }) : target.container ?? '', target })
}

/** open opens a tab: { kind, title, href or target }. */
export async function open(o, { focus = true, select = true } = {}) {
  if (tabs.length >= most) return say(msg('The dock is full; close a tab first.'))
  const t = { ...o, n: ++serial }
  tabs.push(t)
  head(t)
  t.pane = document.createElement('div')
  t.pane.className = 'dockpane ' + t.kind
  t.pane.id = `dockpane${t.n}`
  t.pane.setAttribute('role', 'tabpanel')
  t.pane.setAttribute('aria-labelledby', `docktab${t.n}`)
  t.pane.hidden = true
  parts.body.append(t.pane)
  el.hidden = false
  document.body.classList.add('docked')
  if (!height) setHeight(matchMedia('(max-width: 767px)').matches ? innerHeight * 0.55 : Math.min(420, innerHeight * 0.45))
  else setHeight(height)
  if (select || !active) show(t)
  await (t.kind === 'shell' ? shell(t, focus) : logs(t))
  if (small && select) setSmall(false)
  keep()
}

function head(t) {
  const b = t.button = document.createElement('button')
  b.type = 'button'
  b.id = `docktab${t.n}`
  b.setAttribute('role', 'tab')
  b.setAttribute('aria-controls', `dockpane${t.n}`)
  b.className = 'docktab'
  const mark = document.createElement('i')
  mark.setAttribute('aria-hidden', 'true')
  mark.textContent = t.kind === 'shell' ? '❯' : '≡'
  const name = document.createElement('span')
  name.textContent = t.title
  b.translate = false // names of objects, with messages where there are any
  const hint = document.createElement('em')
  b.append(mark, name, hint)
  b.title = t.title + (t.hint ? ` (${t.hint})` : '')
  hint.textContent = t.hint ?? ''
  b.onclick = () => { show(t); if (small) setSmall(false); t.shell?.focus() }
  b.onauxclick = (e) => { if (e.button === 1) close(t) }
  // Only pointers need it: keys have Delete, and the button of the dock.
  const closer = document.createElement('b')
  closer.className = 'dockclose'
  closer.setAttribute('aria-hidden', 'true')
  closer.title = msg('Close {title}', { title: t.title })
  closer.textContent = '✕'
  closer.onclick = (e) => { e.stopPropagation(); close(t) }
  b.append(closer)
  parts.list.append(b)
}

function show(t) {
  active = t
  for (const o of tabs) {
    const on = o === t
    o.button.setAttribute('aria-selected', String(on))
    o.button.tabIndex = on ? 0 : -1
    o.pane.hidden = !on
  }
  t.button.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  t.shell?.fit()
  keep()
}

// popOut gives a tab a window of its own, which begins with a copy of what this
// one has written down.
function popOut(t) {
  const { kind, title, hint, target, href } = t
  sessionStorage.setItem('dock', JSON.stringify({ small: false, active: 0, tabs: [{ kind, title, hint, target, href }] }))
  const opened = window.open('/ui/window', '_blank', 'popup,width=1000,height=640')
  keep()
  if (!opened) return say(msg('The browser let no window be opened.'))
  close(t, true)
}

function close(t, leave) {
  const i = tabs.indexOf(t)
  t.shell?.close(leave)
  t.pane.remove()
  t.button.remove()
  tabs.splice(i, 1)
  import('./logs.js').then((m) => m.start(el))
  if (active === t) {
    active = null
    const next = tabs[Math.min(i, tabs.length - 1)]
    if (next) {
      show(next)
      next.button.focus()
    }
  }
  if (!tabs.length) {
    el.hidden = true
    document.body.classList.remove('docked')
    $('#main').focus({ preventScroll: true })
  }
  keep()
}

async function logs(t) {
  const answer = await fetch(t.href, { headers: { 'X-Pilothouse': 'panel' } })
  if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
  const page = fragment(await answer.text())
  const view = $('[data-logs]', page)
  if (!view) {
    const fault = $('.fault', page)
    return t.pane.replaceChildren(fault ?? msg('There is no log here any more.'))
  }
  $('[data-dock]', view)?.remove()
  view.dataset.options = new URL(t.href, location).search
  t.pane.addEventListener('log-options', (e) => { t.href = e.detail; keep() })
  t.pane.replaceChildren(view)
  const m = await import('./logs.js')
  m.start(t.pane)
}

async function shell(t, focus) {
  const bar = document.createElement('div')
  bar.className = 'shellbar'
  const state = document.createElement('span')
  state.className = 'dim shellstate'
  state.setAttribute('role', 'status')
  const field = document.createElement('input')
  field.type = 'search'
  field.placeholder = msg('Find')
  field.setAttribute('aria-label', msg('Find in the terminal'))
  const host = document.createElement('div')
  host.className = 'term'
  const again = button(msg('New shell'), msg('Open a new shell here'), () => { t.shell.again(); t.shell.focus() }, '')
  again.hidden = true
  const debug = button(msg('Add debug container'), msg('Add debug container'), async () => {
    const problem = await addDebug(new URLSearchParams({ form: $('script[data-form]')?.dataset.form ?? '', ns: t.target.ns, pod: t.target.pod, target: t.target.container ?? '' }))
    if (problem) t.shell.note(problem, 31)
  }, '')
  debug.title = msg('A container with a shell, which sees the processes of this one')
  debug.hidden = true
  const where = document.createElement('a')
  where.href = `/ui/api/v1/namespaces/${t.target.ns}/pods/${t.target.pod}`
  where.textContent = `${t.target.ns}/${t.target.pod}`
  where.translate = false
  const grow = document.createElement('span')
  grow.className = 'grow'
  const keys = document.createElement('span')
  keys.className = 'dim shellkeys'
  keys.textContent = msg('Shift Esc leaves the shell')
  const found = document.createElement('span')
  found.className = 'dim'
  found.setAttribute('role', 'status')
  const sizes = document.createElement('span')
  sizes.className = 'textsize'
  sizes.append(button('', msg('Smaller letters (Ctrl -)'), () => resize(-1)), button('', msg('Larger letters (Ctrl +)'), () => resize(1)))
  bar.append(where, state, again, debug, grow, keys, found, field, sizes, button(msg('Copy'), msg('Copy the selection, else all of it'), () => copy(t), ''))
  t.pane.append(bar, host)
  const { Shell } = await import('./terminal.js')
  if (!t.pane.isConnected) return
  t.shell = new Shell(host, t.target, () => {
    if (!t.shell) return
    const { state: now, text } = t.shell
    t.button.dataset.state = t.pane.dataset.state = now
    t.button.children[2].textContent = text || t.hint || ''
    state.translate = now !== 'open' // then it names the container
    state.textContent = text || (now === 'connecting' ? msg('connecting') : t.target.container ?? '')
    again.hidden = now !== 'ended'
    debug.hidden = now !== 'ended' || !t.shell.outcome?.noShell
    keep()
  })
  t.shell.leave = () => t.button.focus()
  t.shell.find = () => field.focus()
  t.shell.searching.onDidChangeResults(({ resultIndex, resultCount }) => {
    found.textContent = !field.value ? '' : resultCount ? msg('{at} of {n}', { at: resultIndex + 1, n: resultCount }) : msg('not found')
  })
  t.shell.changed()
  field.addEventListener('keydown', (e) => {
    e.stopPropagation()
    if (e.key === 'Enter') t.shell.search(field.value, !e.shiftKey)
    if (e.key === 'Escape') t.shell.focus()
  })
  if (active !== t || !focus) return
  t.shell.term.paste(held())
  t.shell.focus()
}

async function copy(t) {
  const { term } = t.shell
  const had = term.hasSelection()
  if (!had) term.selectAll()
  await t.shell.copy()
  say(had ? msg('Copied the selection.') : msg('Copied all.'))
  t.shell.focus()
}

/** restore opens what was open before the page was loaded. */
export async function restore() {
  let was
  try {
    was = JSON.parse(sessionStorage.getItem('dock'))
  } catch { return }
  if (!was?.tabs?.length) return
  small = was.small
  el.classList.toggle('small', small)
  for (const [i, t] of was.tabs.entries()) await open(t, { focus: false, select: i === was.active })
  if (tabs[was.active]) show(tabs[was.active])
  setSmall(was.small)
}

addEventListener('resize', () => { if (height && !el.hidden) setHeight(height) })
