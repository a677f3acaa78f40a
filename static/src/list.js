// A live list: a window of rows on a list that the server keeps in order. The
// server says which rows stand in the window and sends those that are new; this
// puts them into place, so that nothing moves that a reader looks at.
import { $, $$, fragment, later, say, told } from './html.js'
import { msg, msgs, number } from './messages.js'
import { subscribe } from './socket.js'
import { tick } from './time.js'
import * as widths from './widths.js'

const overscan = 35 // with the rows of a window of 900 pixels: what the page came with
const goneFor = 3000
// Cells flash while no more rows than these change in a moment: when everything
// changes a flash says nothing, and costs more than all the rest.
const flashes = 16
const moment = 600

let list = null

/** current is the list of the page, or null. */
export const current = () => list

/** start brings the list of a page to life, and ends the one before. */
export function start(root) {
  list?.end()
  const el = $('[data-list]', root)
  list = el ? new List(el) : null
}

// same tells whether a cell shows what another one shows; ages count on by
// themselves.
function same(a, b) {
  const [x, y] = [a.firstChild, b.firstChild]
  if (x?.nodeName === 'TIME') return x.dateTime === y?.dateTime
  if (plain(a) && plain(b)) return x.data === y.data && a.title === b.title
  return timeless(a) === timeless(b)
}

// timeless is what a cell holds, without the texts of its ages.
function timeless(cell) {
  if (!$('time', cell)) return cell.innerHTML
  const copy = cell.cloneNode(true)
  for (const t of $$('time', copy)) t.textContent = ''
  return copy.innerHTML
}

// plain tells whether a cell holds one piece of text.
const plain = (cell) => cell.firstChild?.nodeType === 3 && cell.childNodes.length === 1

// mark says of an object whose cell has the focus whether it is to be deleted, as
// another cell does.
function mark(cell, now) {
  $('[data-held]', cell)?.remove()
  const held = $('[data-held]', now)
  if (held) cell.append(' ', held.cloneNode(true))
}

class List {
  constructor(el) {
    this.el = el
    this.scroller = $('[data-scroll]', el)
    this.table = $('table', el)
    this.body = $('[data-body]', el)
    this.from = Number(el.dataset.from)
    this.total = Number(el.dataset.total)
    this.url = el.dataset.list
    this.rows = new Map()
    this.selected = new Map() // uid -> value
    this.order = []
    this.added = 0
    this.pointer = null
    for (const tr of $$('tr', this.body)) this.own(tr)
    this.order = [...this.rows.keys()]
    this.above = this.pad(true)
    this.below = this.pad(false)
    $('[data-pager]', el)?.remove()
    this.abort = new AbortController()
    this.listen(this.abort.signal)
    widths.start(el, () => this.show(this.url), this.abort.signal)
    this.measure()
    this.place()
    this.sub = subscribe(() => this.ask(), (m) => this.got(m))
  }

  end() {
    clearTimeout(this.later)
    this.abort.abort()
    this.sub.close()
  }

  pad(first) {
    const body = fragment('<table><tbody aria-hidden="true" class="pad"><tr><td></td></tr></tbody></table>').querySelector('tbody')
    if (first) this.body.before(body)
    else this.body.after(body)
    return body.querySelector('td')
  }

  own(tr) {
    this.rows.set(tr.dataset.uid, tr)
  }

  measure() {
    const tr = this.body.rows[0]
    this.height = tr?.getBoundingClientRect().height || parseFloat(getComputedStyle(this.el).getPropertyValue('--row')) || 28
    this.visible = Math.ceil(this.scroller.clientHeight / this.height) || 30
  }

  window() {
    const size = Math.min(this.visible + 2 * overscan, 140)
    const first = Math.floor(this.scroller.scrollTop / this.height)
    return { from: Math.max(0, first - overscan), size, anchor: this.anchor()?.dataset.uid ?? '' }
  }

  ask() {
    this.release()
    return {
      kind: 'list', url: this.url, ...(this.fresh ? { from: 0, size: this.window().size } : this.window()),
      have: this.fresh ? [] : this.order.map((uid) => `${uid} ${this.rows.get(uid).dataset.v}`),
      shape: this.fresh ? '' : this.el.dataset.shape,
    }
  }

  /** show shows another question: another order, filter or columns. */
  show(url) {
    this.url = url
    this.fresh = true
    this.sub.reopen()
  }

  got(m) {
    if (m.error) return this.failed(m.error)
    if (m.list) this.apply(m.list)
  }

  failed(error) {
    const p = $('[data-problem]', this.el)
    p.textContent = told(error)
    p.hidden = !!$('.fault', this.el) // the page has said it
    if (later(error)) this.later = setTimeout(() => this.sub.reopen(), later(error))
  }

  // anchor is the row that is not to move: the one under the pointer, or the
  // first one that is seen when the list does not stand at its top.
  anchor() {
    if (this.pointer?.isConnected && !this.pointer.classList.contains('gone')) return this.pointer
    if (this.scroller.scrollTop < this.height) return null
    const top = this.scroller.scrollTop
    const i = Math.floor(top / this.height) - this.from
    return this.rows.get(this.order[i]) ?? null
  }

  // apply puts what the server sent into place. While the pointer is on the rows
  // none of them goes elsewhere in the order: that is held until it leaves.
  apply(m) {
    if (m.whole) this.held = null
    else if (this.held || this.inside && m.order && this.moved(m)) return this.hold(m)
    const moves = m.whole || m.order || m.from !== this.from || m.total !== this.total
    const anchor = m.whole || !moves ? null : this.anchor()
    const before = anchor?.getBoundingClientRect().top
    const wasFrom = this.from
    const wasTotal = this.total
    this.from = m.from
    this.total = m.total
    if (m.whole) this.reset(m)
    this.fill(m)
    if (m.order) this.arrange(m.order, m.gone ?? [])
    if (!moves) return
    if (m.whole) this.measure()
    this.place()
    this.table.setAttribute('aria-rowcount', String(m.total + 1))
    const none = $('[data-empty]', this.el)
    none.textContent = m.empty ?? ''
    none.hidden = !m.empty
    if (anchor?.isConnected && before !== undefined) {
      const moved = anchor.getBoundingClientRect().top - before
      if (Math.abs(moved) > 0.5) {
        this.scroller.scrollTop += moved
        const above = Math.round(moved / this.height)
        if (above > 0 && this.total > wasTotal && this.from >= wasFrom) this.pill(Math.min(above, this.total - wasTotal))
      }
    }
    this.check()
  }

  // fill takes what rows show, and how many there are.
  fill(m) {
    const changed = Object.values(m.rows ?? {})
    if (changed.length) { // all of them are read at once
      const rows = fragment(`<table><tbody>${changed.join('')}</tbody></table>`).querySelectorAll('tr')
      const flash = this.calm(rows.length)
      for (const tr of rows) this.take(tr.dataset.uid, tr, flash)
    }
    if (m.count !== undefined && this.count !== m.count) $('[data-count]', this.el).replaceChildren(fragment(this.count = m.count))
  }

  // moved counts the rows that a message puts elsewhere: those outside of the
  // longest part that stays in its order, and those that leave from between.
  moved(m) {
    const at = new Map(m.order.map((uid, i) => [uid, i]))
    const places = this.order.map((uid) => at.get(uid))
    const stays = places.filter((p) => p !== undefined)
    const tails = []
    for (const p of stays) {
      const i = tails.findIndex((t) => t > p)
      tails[i < 0 ? tails.length : i] = p
    }
    const [first, last] = [places.findIndex((p) => p !== undefined), places.findLastIndex((p) => p !== undefined)]
    const left = this.order.filter((uid, i) => places[i] === undefined && i > first && i < last && !m.gone?.includes(uid))
    return stays.length - tails.length + left.length
  }

  // hold keeps the order that is shown; what rows say changes, and those that are
  // gone are struck through.
  hold(m) {
    this.fill(m)
    const gone = [...this.held?.gone ?? [], ...m.gone ?? []]
    this.held = { from: m.from, total: m.total, order: m.order ?? this.held?.order ?? this.order, gone, empty: m.empty }
    for (const uid of gone) this.rows.get(uid)?.classList.add('gone')
    this.tell(this.moved(this.held))
  }

  // release puts everything where it belongs.
  release() {
    const m = this.held
    if (!m) return
    this.held = null
    this.pill(0)
    this.apply(m)
  }

  // tell says how many rows are held.
  tell(n) {
    const p = $('[data-pill]', this.el)
    p.hidden = false
    p.textContent = msgs(n, '{n} moved', '{n} moved')
  }

  reset(m) {
    const head = fragment(`<table>${m.head}</table>`).querySelector('table')
    for (const old of $$('style,colgroup,thead', this.table)) old.remove()
    this.table.prepend(...head.querySelectorAll('style,colgroup,thead'))
    this.el.dataset.shape = m.shape
    widths.fit(this.table)
    $('[data-command]', this.el).textContent = m.command
    for (const [tool, text] of [['kubectl', m.command], ['curl', m.curl]]) $(`[data-same="${tool}"]`, this.el).textContent = text
    $('[data-problem]', this.el).hidden = true
    $('.fault', this.el)?.remove()
    this.body.replaceChildren()
    this.rows.clear()
    this.order = []
    this.pill(-1)
    if (this.fresh) this.scroller.scrollTop = 0
    this.fresh = false
    say(msgs(m.total, '{n} row', '{n} rows'))
  }

  // calm tells whether few rows change, in this moment and in the one before.
  calm(n) {
    const now = performance.now()
    if (now - this.since > 2 * moment || !this.since) [this.since, this.before, this.now] = [now, 0, 0]
    else if (now - this.since > moment) [this.since, this.before, this.now] = [now, this.now, 0]
    this.now += n
    return this.now <= flashes && this.before <= flashes
  }

  // take puts a new or changed row into the map; what did not change of a row
  // stays as it is.
  take(uid, now, flash) {
    const was = this.rows.get(uid)
    if (!was) {
      tick(now)
      if (this.selected.has(uid)) $('input', now).checked = true
      this.rows.set(uid, now)
      return
    }
    was.dataset.v = now.dataset.v
    if (was.className !== now.className) was.className = now.className
    for (let i = 1; i < now.cells.length; i++) {
      const [a, b] = [was.cells[i], now.cells[i]]
      if (same(a, b)) continue
      if (a.contains(document.activeElement)) {
        mark(a, b)
        continue
      }
      if (!flash && plain(a) && plain(b)) {
        a.firstChild.data = b.firstChild.data
        if (a.title !== b.title) a.title = b.title
        if (a.className !== b.className) a.className = b.className
        continue
      }
      const copy = b.cloneNode(true)
      if (flash) copy.classList.add('flash')
      tick(copy)
      a.replaceWith(copy)
    }
  }

  arrange(order, gone) {
    const keep = new Set(order)
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null
    for (const uid of this.order) {
      if (keep.has(uid)) continue
      const tr = this.rows.get(uid)
      this.rows.delete(uid)
      if (gone.includes(uid)) this.leave(tr, uid)
      else tr.remove()
    }
    if (!this.body.firstElementChild) this.body.append(...order.map((uid) => this.rows.get(uid)))
    let at = this.body.firstElementChild
    const skip = () => { while (at?.classList.contains('gone')) at = at.nextElementSibling }
    order.forEach((uid, i) => {
      skip()
      const tr = this.rows.get(uid)
      if (tr === at) at = at.nextElementSibling
      else this.body.insertBefore(tr, at)
      const index = String(this.from + i + 2)
      if (tr.getAttribute('aria-rowindex') !== index) tr.setAttribute('aria-rowindex', index)
    })
    this.order = order
    for (const uid of [...this.rows.keys()]) if (!keep.has(uid)) this.rows.delete(uid)
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true })
  }

  // leave lets a deleted row stand for a moment, struck through.
  leave(tr, uid) {
    tr.classList.add('gone')
    tr.removeAttribute('data-uid')
    this.selected.delete(uid)
    this.bulk()
    const end = () => {
      if (this.pushes(tr)) return setTimeout(end, goneFor / 10)
      if (tr.contains(document.activeElement)) this.focus(this.near(tr, 1) ?? this.near(tr, -1))
      tr.remove()
    }
    setTimeout(end, goneFor)
  }

  // pushes tells whether a row cannot go without another one coming under the
  // pointer; where there is something above, that is scrolled away instead.
  pushes(tr) {
    const here = this.inside && this.pointer?.isConnected && tr.isConnected && tr.compareDocumentPosition(this.pointer) & Node.DOCUMENT_POSITION_FOLLOWING
    if (here && this.scroller.scrollTop < this.height) return true
    if (here) this.scroller.scrollTop -= this.height
    return false
  }

  place() {
    const top = this.from * this.height
    const bottom = Math.max(0, this.total - this.from - this.order.length) * this.height
    this.above.style.height = `${top}px`
    this.below.style.height = `${bottom}px`
    this.above.parentNode.parentNode.hidden = !top
    this.below.parentNode.parentNode.hidden = !bottom
  }

  // check asks for another window when what is seen comes near to an end of it.
  check() {
    const first = Math.floor(this.scroller.scrollTop / this.height)
    const last = first + this.visible
    const margin = overscan / 3
    const [from, to] = [this.from, this.from + this.order.length]
    const short = first - margin < from && from > 0 || last + margin > to && to < this.total
    const now = performance.now()
    if (!short || this.asked && now - this.asked < 80) {
      if (short) setTimeout(() => this.check(), 90)
      return
    }
    this.asked = now
    this.sub.move(this.window())
  }

  listen(signal) {
    let frame = 0
    this.scroller.addEventListener('scroll', () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0
        this.release()
        if (this.scroller.scrollTop < this.height) this.pill(-1)
        this.check()
      })
    }, { signal, passive: true })
    new ResizeObserver(() => { widths.fit(this.table); this.measure(); this.place(); this.check() }).observe(this.scroller)
    const point = (tr) => {
      this.inside = !!tr
      if (!tr) this.release()
      if (tr === this.pointer) return
      this.pointer = tr
      clearTimeout(this.pointing)
      this.pointing = setTimeout(() => this.sub.move(this.window()), 120)
    }
    this.body.addEventListener('pointerover', (e) => { if (e.pointerType === 'mouse') point(e.target.closest('tr')) }, { signal })
    this.body.addEventListener('pointerleave', () => point(null), { signal })
    this.body.addEventListener('change', (e) => this.tick(e.target), { signal })
    $('[data-pill]', this.el).addEventListener('click', () => {
      if (this.held) return this.release()
      this.scroller.scrollTop = 0
    }, { signal })
    const filter = $('[data-filter]', this.el)
    filter.addEventListener('submit', (e) => { e.preventDefault(); this.filter(true) }, { signal })
    filter.elements.q.addEventListener('input', () => this.filter(false), { signal })
    $('[data-rows]', this.el).addEventListener('submit', (e) => this.submit(e.target), { signal })
    document.addEventListener('density', () => { this.measure(); this.place(); this.check() }, { signal })
  }

  filter(done) {
    const u = new URL(location)
    const q = $('[data-filter]', this.el).elements.q.value.trim()
    if (q) u.searchParams.set('q', q)
    else u.searchParams.delete('q')
    u.searchParams.delete('page')
    this.go(u, !history.state?.typing, { typing: !done }) // all that is typed is one step
  }

  /** go shows the list of an address of the same path. */
  go(u, push, state = {}) {
    const address = u.pathname + u.search
    if (push && address !== location.pathname + location.search) history.pushState(state, '', address)
    else history.replaceState(state, '', address)
    const input = $('[data-filter]', this.el).elements.q
    const q = u.searchParams.get('q') ?? ''
    if (document.activeElement !== input && input.value !== q) input.value = q
    const wide = $('[data-wide]', this.el)
    const on = u.searchParams.has('wide')
    wide.textContent = on ? msg('Fewer columns') : msg('More columns')
    this.el.classList.toggle('wide', on)
    this.show(address)
  }

  pill(n) {
    const p = $('[data-pill]', this.el)
    this.added = n < 0 ? 0 : this.added + n
    p.hidden = !this.added
    p.textContent = msg('↑ {n} new', { n: this.added })
  }

  // Rows by keyboard: the focused row is the current one.

  row() {
    const tr = document.activeElement?.closest?.('tr[data-uid]')
    return tr && this.body.contains(tr) ? tr : null
  }

  focus(tr) {
    if (!tr) return
    $('a[data-open]', tr)?.focus({ preventScroll: true })
    const head = this.table.tHead.offsetHeight
    const box = tr.getBoundingClientRect()
    const view = this.scroller.getBoundingClientRect()
    if (box.top < view.top + head) this.scroller.scrollTop -= view.top + head - box.top
    else if (box.bottom > view.bottom) this.scroller.scrollTop += box.bottom - view.bottom
    this.last = tr.dataset.uid
  }

  near(tr, step) {
    let n = tr
    do n = step > 0 ? n?.nextElementSibling : n?.previousElementSibling
    while (n?.classList.contains('gone'))
    return n
  }

  step(by) {
    this.release()
    const tr = this.row() ?? this.rows.get(this.last)
    if (!tr) {
      const i = Math.max(0, Math.ceil(this.scroller.scrollTop / this.height) - this.from)
      return this.focus(this.rows.get(this.order[i]))
    }
    this.focus(this.near(tr, by))
    this.check()
  }

  edge(end) {
    this.release()
    this.scroller.scrollTop = end ? this.scroller.scrollHeight : 0
    setTimeout(() => this.focus(this.rows.get(this.order.at(end ? -1 : 0))), 150)
  }

  // Selection

  tick(box) {
    if (box.name !== 'sel') return
    const uid = box.closest('tr').dataset.uid
    if (box.checked) this.selected.set(uid, box.value)
    else this.selected.delete(uid)
    this.mark = uid
    this.all = false
    this.bulk()
  }

  select(range) {
    const tr = this.row()
    if (!tr) return
    const [a, b] = [this.order.indexOf(range ? this.mark : tr.dataset.uid), this.order.indexOf(tr.dataset.uid)]
    const on = range || !$('input', tr).checked
    for (const uid of this.order.slice(Math.min(a < 0 ? b : a, b), Math.max(a, b) + 1)) {
      const box = $('input', this.rows.get(uid))
      box.checked = on
      if (on) this.selected.set(uid, box.value)
      else this.selected.delete(uid)
    }
    this.mark = tr.dataset.uid
    this.bulk()
  }

  selectAll(on) {
    this.all = on
    this.selected.clear()
    for (const [uid, tr] of this.rows) {
      const box = $('input', tr)
      box.checked = on
      if (on) this.selected.set(uid, box.value)
    }
    this.bulk()
  }

  bulk() {
    const n = this.all ? this.total : this.selected.size
    const bar = $('[data-bulk]', this.el)
    if (bar.hidden !== !n) bar.hidden = !n
    $('[data-selected]', bar).textContent = number(n)
    $('[data-act="select-all"]', bar).textContent = msg('Select all {n} matching', { n: this.total })
  }

  // submit adds what is selected outside of the window.
  submit(form) {
    for (const old of $$('input[data-extra]', form)) old.remove()
    const add = (name, value) => {
      const i = document.createElement('input')
      i.type = 'hidden'
      i.name = name
      i.value = value
      i.dataset.extra = ''
      form.append(i)
    }
    form.elements.list.value = this.url
    if (this.all) add('all', '1')
    else for (const [uid, value] of this.selected) if (!this.rows.has(uid)) add('sel', value)
  }
}
