// Columns are as wide as one drags them; the server keeps that for the user.
import { $, $$ } from './html.js'

const least = 32

/** start lets the columns of a list be dragged. again() shows the list anew. */
export function start(el, again, signal) {
  const table = $('table', el)
  let drag = null
  table.addEventListener('pointerdown', (e) => {
    const grip = e.target.closest?.('.grip')
    if (!grip || e.button) return
    e.preventDefault()
    grip.setPointerCapture(e.pointerId)
    const i = grip.closest('th').cellIndex
    freeze(table)
    drag = { col: $$('col', table)[i], from: e.clientX, was: grip.closest('th').getBoundingClientRect().width, moved: false }
    el.classList.add('dragging')
  }, { signal })
  table.addEventListener('pointermove', (e) => {
    if (!drag) return
    drag.moved = true
    drag.col.style.width = `${Math.max(least, drag.was + e.clientX - drag.from)}px`
    fit(table)
  }, { signal })
  const end = () => {
    if (!drag) return
    el.classList.remove('dragging')
    if (drag.moved) keep(el, table)
    drag = null
  }
  table.addEventListener('pointerup', end, { signal })
  table.addEventListener('pointercancel', end, { signal })
  table.addEventListener('dblclick', async (e) => {
    if (!e.target.closest?.('.grip')) return
    await send(el, '')
    table.style.minWidth = ''
    again()
  }, { signal })
  el.addEventListener('change', async (e) => {
    const of = e.target.dataset?.width
    if (!of) return
    const i = $$('thead th', table).findIndex((th) => th.dataset.col === of)
    if (i < 0) return
    freeze(table)
    $$('col', table)[i].style.width = `${Math.max(least, Number(e.target.value) * letter(table))}px`
    fit(table)
    await keep(el, table)
    again()
  }, { signal })
  fit(table)
}

// freeze gives each column but the last the width that it has; those for which
// there is no room keep theirs.
function freeze(table) {
  const cells = $$('thead th', table), cols = $$('col', table)
  const widths = cells.map((th) => th.getBoundingClientRect().width)
  cols.forEach((col, i) => { if (widths[i]) col.style.width = i < cols.length - 1 ? `${widths[i]}px` : 'auto' })
}

/** fit keeps some room for the last column where the others have their widths, and
 * none of them went for lack of room. */
export function fit(table) {
  const cols = $$('col', table)
  const last = cols.at(-1)
  if (!last || last.style.width !== 'auto' && !last.classList.contains('wfill')) return
  const cells = $$('thead th', table)
  table.style.minWidth = ''
  if (cells.some((th) => !th.offsetWidth)) return
  const taken = cols.slice(0, -1).reduce((n, col, i) => n + (parseFloat(col.style.width) || cells[i].getBoundingClientRect().width), 0)
  table.style.minWidth = `${taken + 90}px`
}

// letter is the width of a letter of the table, in pixels.
function letter(table) {
  const probe = document.createElement('i')
  probe.style.cssText = 'position:absolute;visibility:hidden;width:100ch'
  table.parentNode.append(probe)
  const width = probe.getBoundingClientRect().width / 100
  probe.remove()
  return width * parseFloat(getComputedStyle(table).fontSize) / parseFloat(getComputedStyle(table.parentNode).fontSize)
}

function keep(el, table) {
  const unit = letter(table)
  const q = new URLSearchParams()
  const cols = $$('col', table)
  $$('thead th', table).forEach((th, i) => {
    const letters = th.offsetWidth ? parseFloat(cols[i].style.width) / unit : Number(/\bw(\d+)/.exec(cols[i].className)?.[1])
    if (th.dataset.col && i < cols.length - 1 && letters) q.set(th.dataset.col, String(Math.round(letters)))
  })
  return send(el, q.toString())
}

const send = (el, widths) => fetch('/ui/prefs', {
  method: 'POST', headers: { 'X-Pilothouse': 'widths' },
  body: new URLSearchParams({ form: $('[data-rows]', el).elements.form.value, act: 'widths', url: el.dataset.path, widths }),
})
