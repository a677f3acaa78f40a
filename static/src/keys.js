// The keyboard. Keys do nothing while something is typed.
import { $, $$ } from './html.js'
import { current } from './list.js'
import { copyTarget, target } from './copy.js'
import { hold, toggleDock } from './dockstart.js'
import { closeMenus } from './menus.js'
import { list, msg } from './messages.js'
import { follow, go } from './navigate.js'
import * as panel from './panel.js'
import { toggle } from './socket.js'
import { undo } from './toast.js'

const places = {
  p: ['Pods', '/ui/api/v1/pods'], d: ['Deployments', '/ui/apis/apps/v1/deployments'], s: ['Services', '/ui/api/v1/services'],
  n: ['Nodes', '/ui/api/v1/nodes'], c: ['ConfigMaps', '/ui/api/v1/configmaps'], e: [msg('Events'), '/ui/api/v1/events'],
  j: ['Jobs', '/ui/apis/batch/v1/jobs'], i: ['Ingresses', '/ui/apis/networking.k8s.io/v1/ingresses'], o: [msg('Overview'), '/ui/'], h: [msg('All resources'), '/ui/resources'],
}

// The keys of an object's tabs: what they show, and the tab's address. The links
// carry the key as data-key; see objectTabs in web/pages/object_tabs.go.
const tabKeys = {
  d: [msg('Overview'), ''], y: [msg('YAML'), '?tab=yaml'], v: [msg('Events'), '?tab=events'], r: [msg('Related objects'), '?tab=related'],
  a: [msg('Access'), '?tab=access'], l: [msg('Logs'), '?tab=logs'], s: [msg('Shell'), '?tab=shell'], w: [msg('Watch'), '?tab=watch'], h: [msg('History'), '?tab=history'],
}

const inList = () => !!current()
const hasRow = () => !!current()?.row()
const finder = () => ['#panel [data-log=find]', '#main [data-log=find]', '#filter'].map((s) => $(s)).find((e) => e?.checkVisibility())
const selectedLogs = () => $('#main [data-bulk]:not([hidden]) [data-key="L"]')
const part = (key) => $(`#panel:not([hidden]) [data-key="${key}"]`) ?? $(`#main [data-key="${key}"]`)

// The bindings, in the order in which the help shows them.
const bindings = [
  { keys: ['j', 'ArrowDown'], what: msg('Next row'), when: inList, run: () => current().step(1) },
  { keys: ['k', 'ArrowUp'], what: msg('Row before'), when: inList, run: () => current().step(-1) },
  { keys: ['Home'], what: msg('First row'), when: inList, run: () => current().edge(false) },
  { keys: ['End'], what: msg('Last row'), when: inList, run: () => current().edge(true) },
  { keys: ['Enter'], what: msg('Open the object'), when: () => document.activeElement?.matches('tr a[data-open]'), run: () => document.activeElement.click() },
  { keys: ['o'], what: msg('Open the object as a page'), when: () => hasRow() || panel.isOpen(), run: () => go(panel.isOpen() ? $('#panel [data-full]').href : $('a[data-open]', current().row()).href) },
  { keys: ['x'], what: msg('Select the row'), when: hasRow, run: () => current().select(false) },
  { keys: ['X'], what: msg('Select up to the row'), when: hasRow, run: () => current().select(true) },
  ...Object.entries(tabKeys).map(([key, [what, query]]) => ({ keys: [key], what, when: () => part(key) || hasRow() && !current().el.dataset.without.includes(key), run: () => tab(key, query) })),
  { keys: ['e'], what: msg('Edit'), when: () => part('e') || hasRow(), run: () => tab('e', '?edit=1') },
  { keys: ['Delete'], what: msg('Delete'), when: () => part('Delete') || hasRow(), run: remove },
  { keys: ['L'], what: msg('Logs of what is selected, as one'), when: selectedLogs, run: () => selectedLogs().click() },
  { keys: ['c'], what: msg('Copy the name, or what the pointer is on'), when: target, run: () => copyTarget() },
  { keys: ['+'], what: msg('Create'), when: () => part('+'), run: () => follow(part('+')) },
  { keys: ['/'], what: msg('Filter, or find in the log'), when: finder, run: () => { finder().focus(); finder().select() } },
  { keys: ['n'], what: msg('Namespaces'), when: () => $('#namespaces'), run: namespaces },
  { keys: ['p'], what: msg('Pause or go on'), when: () => $('#live')?.hasAttribute('aria-pressed'), run: toggle },
  { keys: ['g'], what: msg('Go to: {places}', { places: list(Object.entries(places).map(([k, [name]]) => `${k} ${name}`)) }), when: () => $('#nav'), run: (e) => { prefix = e.timeStamp } },
  { keys: [':', 'Control+k'], what: msg('Search or jump to'), when: () => $('#palette'), run: () => document.dispatchEvent(new CustomEvent('palette')) },
  { keys: ['Control+`'], what: msg('Dock: small or not'), when: () => $('#dock:not([hidden])'), run: toggleDock },
  { keys: ['u'], what: msg('Undo'), when: undo, run: () => undo().click() },
  { keys: ['?'], what: msg('This help'), when: () => $('#help'), run: help },
  { keys: ['Control+s'], what: msg('Review, save or send'), when: () => $('#main [data-save]:enabled') },
  { keys: ['Escape'], what: msg('Back'), when: wayBack, run: () => wayBack()() },
]

let prefix = -Infinity

// tab shows a part of the object that is open, or of the row's.
function tab(key, query) {
  const link = part(key)
  if (link) return follow(link)
  const a = $('a[data-open]', current().row())
  if (panel.fits() && key !== 'e') {
    const over = key === 's' ? hold() : null
    return panel.open(a).then(() => part(key) && follow(part(key))).finally(over)
  }
  return go(new URL(a.href).pathname + query)
}

function remove() {
  const l = current()
  const bar = l && $('[data-bulk]', l.el)
  if (bar && !bar.hidden) return $('[data-key="Delete"]', bar).click()
  const link = part('Delete')
  if (link && !link.closest('[data-bulk]')) return follow(link)
  if (hasRow()) go(new URL($('a[data-open]', l.row()).href).pathname + '?delete=1')
}

function namespaces() {
  const d = $('#namespaces')
  d.open = true
  $('a, input', d)?.focus()
}

// wayBack is what Escape does, if anything.
function wayBack() {
  const open = $('details[data-menu][open]')
  if (open) {
    return () => {
      closeMenus()
      $('summary', open).focus()
    }
  }
  if (document.body.classList.contains('menu-open')) return () => $('[data-act="menu"]').click()
  if (panel.isOpen()) return panel.close
  const l = current()
  if (l) return l.selected.size && (() => l.selectAll(false))
  return history.length > 1 && $('[data-object]') && (() => history.back())
}

function help() {
  const d = $('#help')
  d.replaceChildren()
  const h = document.createElement('h2')
  h.textContent = msg('Keyboard')
  const dl = document.createElement('dl')
  // Parts of the page have keys of their own, which come before those of the page.
  const own = []
  document.dispatchEvent(new CustomEvent('key-help', { detail: own }))
  const taken = own.flatMap((b) => b.keys)
  const all = [...bindings.filter((b) => b.when()).map((b) => ({ ...b, keys: b.keys.filter((k) => !taken.includes(k)) })).filter((b) => b.keys.length), ...own]
  for (const { keys, what } of all) {
    const dt = document.createElement('dt')
    for (const k of keys) {
      const kbd = document.createElement('kbd')
      kbd.textContent = keyName(k)
      dt.append(kbd, ' ')
    }
    const dd = document.createElement('dd')
    dd.textContent = what
    dl.append(dt, dd)
  }
  const close = document.createElement('button')
  close.textContent = msg('Close')
  close.onclick = () => d.close()
  d.append(h, dl, close)
  d.showModal()
}

// keyName is what stands on a key.
const keyName = (key) => key.replace('Control+', msg('Ctrl') + ' ').replace('Arrow', '')

const typing = (el) => el?.closest?.('input:not([type="checkbox"]):not([type="button"]), textarea, select, [contenteditable="true"], .cm-editor, .xterm')

document.addEventListener('keydown', (e) => {
  if (e.defaultPrevented || e.isComposing) return
  const name = (e.ctrlKey || e.metaKey ? 'Control+' : '') + e.key
  if (name === 'Control+k' && !e.target.closest?.('.cm-editor')) {
    e.preventDefault()
    return document.dispatchEvent(new CustomEvent('palette'))
  }
  if (name === 'Control+`' && !$('#dock').hidden) {
    e.preventDefault()
    return toggleDock()
  }
  if (e.altKey || e.ctrlKey || e.metaKey || $('dialog[open]')) return
  if (typing(e.target)) {
    if (e.key === 'Escape' && e.target.id === 'filter') {
      e.preventDefault()
      current()?.step(0)
      e.target.blur()
    } else if ((e.key === 'ArrowDown' || e.key === 'Enter') && e.target.id === 'filter' && current()) {
      e.preventDefault()
      current().last = null
      current().step(1)
    }
    return
  }
  if (e.timeStamp - prefix < 3000 && places[e.key]) {
    prefix = -Infinity
    e.preventDefault()
    return go(places[e.key][1])
  }
  if (e.key.startsWith('Arrow') && e.target.closest?.('.sheet, .nav, .tabs, .code')) return
  const b = bindings.find((b) => b.keys.includes(name) && b.when())
  if (!b) return
  e.preventDefault()
  b.run(e)
})
