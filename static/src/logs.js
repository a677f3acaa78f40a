// Shows a log: only the lines in sight are in the document; the others are in
// memory, up to a bound.
import './shared.js'
import { $, $$, say, told } from './html.js'
import { dress, runs } from './ansi.js'
import { finder, spots } from './find.js'
import { Lines, cellsOf, mostLines, mostMB, textOf } from './lines.js'
import { msg, msgs } from './messages.js'
import { resize, resizeByKey, rowHeight } from './size.js'
import { subscribe } from './socket.js'

const more = 20 // lines beyond what is in sight
const stampCells = 13
const colours = 8
const views = new Map() // element -> LogView

// The options that are kept for the next log, whose it may be. An address that
// says any of saying is the whole state instead.
const keeping = ['since', 'time', 'wrap', 'only', 'around']
const saying = [...keeping, 'from', 'to', 'previous', 'find']

// What 0 to 6 show of a log, as in k9s.
const sinceKeys = ['', 'all', '1m', '5m', '15m', '30m', '1h']

function kept() {
  try {
    return new URLSearchParams(localStorage.getItem('logs') ?? '')
  } catch { return new URLSearchParams() }
}

function keep(options) {
  const q = new URLSearchParams()
  for (const name of keeping) if (options.get(name)) q.set(name, options.get(name))
  try {
    localStorage.setItem('logs', String(q))
  } catch { /* nothing is kept */ }
}

/** start brings the logs below root to life, and ends those that have gone. */
export function start(root) {
  for (const [el, v] of views) if (!el.isConnected) v.close()
  for (const el of $$('[data-logs]', root)) if (!views.has(el)) views.set(el, new LogView(el))
}

class LogView {
  constructor(el) {
    this.el = el
    this.part = Object.fromEntries($$('[data-log]', el).map((e) => [e.dataset.log, e]))
    this.form = $('[data-logform]', el)
    this.lines = new Lines()
    this.lines.rows = (l) => this.rowsOf(l)
    this.lines.rowHeight = rowHeight()
    this.sources = new Map() // key -> source
    this.byIndex = []
    this.nodes = new Map() // line -> row
    this.follow = true
    this.fresh = 0
    this.lastTop = 0
    this.current = null // the match that was gone to
    this.inPage = !!el.closest('#main') && !!$('#main').contains(el)
    this.part.rows.translate = false
    this.controls()
    this.options()
    this.connect()
  }

  close() {
    this.sub?.close()
    this.size?.disconnect()
    document.removeEventListener('text-size', this.onsize)
    cancelAnimationFrame(this.frame)
    views.delete(this.el)
  }

  // controls gives every control what it does.
  controls() {
    const { find, only, around, time, wrap, follow, clear, lines, pill, link, smaller, larger } = this.part
    const set = (name, f) => { if (this.part[name]) f(this.part[name]) }
    this.form.addEventListener('submit', (e) => { e.preventDefault(); e.stopPropagation() })
    for (const name of ['container', 'previous']) this.form.elements[name]?.addEventListener('change', () => this.ask())
    this.form.elements.since.addEventListener('change', () => this.chooseSince())
    for (const name of ['from', 'to']) this.form.elements[name].addEventListener('change', (e) => this.setEnd(e.target))
    let typing = 0
    find.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(() => this.look(), 120) })
    find.addEventListener('keydown', (e) => {
      if (e.key === 'Enter') { e.preventDefault(); this.look(); this.step(e.shiftKey ? -1 : 1) }
      if (e.key === 'Escape') { e.preventDefault(); e.stopPropagation(); if (find.value) { find.value = ''; this.look() } else lines.focus() }
    })
    only.onclick = () => this.setOnly(!this.lines.only)
    around.onchange = () => { this.lines.around = Number(around.value); this.remember(true); this.lines.relist(); this.draw(true) }
    time.onchange = () => { this.remember(true); this.showEnds(); this.redraw() }
    wrap.onclick = () => this.setWrap(!this.wrap)
    follow.onclick = () => this.setFollow(!this.follow)
    pill.onclick = () => this.setFollow(true)
    clear.onclick = () => { this.lines.clear(); this.fresh = 0; this.nodes.clear(); this.redraw() }
    lines.addEventListener('scroll', () => this.scrolled(), { passive: true })
    lines.addEventListener('keydown', (e) => this.key(e))
    lines.addEventListener('click', (e) => this.click(e))
    smaller.onclick = () => resize(-1)
    larger.onclick = () => resize(1)
    link.onclick = (e) => { e.preventDefault(); this.copyLink() }
    this.el.addEventListener('keydown', resizeByKey)
    this.onsize = () => this.sized()
    document.addEventListener('text-size', this.onsize)
    set('sources', (s) => s.addEventListener('click', (e) => this.toggleSource(e.target.closest('[data-source]'))))
    this.size = new ResizeObserver(() => this.resized())
    this.size.observe(lines)
  }

  // options are those of the address, else those of the last log.
  options() {
    const own = new URLSearchParams(this.inPage ? location.search : this.el.dataset.options ?? new URL(this.el.dataset.logs, location).search)
    const says = location.hash.startsWith('#t=') || saying.some((name) => own.has(name))
    const q = says ? own : kept()
    const { time, find, around } = this.part
    time.value = q.get('time') ?? ''
    this.setWrap(q.get('wrap') === '1', false)
    if (find.value === find.defaultValue) find.value = q.get('find') ?? '' // else it was typed before this came
    if (q.get('around')) { around.value = q.get('around'); this.lines.around = Number(around.value) || 0 }
    if (q.has('only')) this.setOnly(true, false)
    if (!says && q.get('since')) this.form.elements.since.value = q.get('since')
    if (!says && String(q)) this.remember()
    this.showEnds()
    this.goal = this.inPage && location.hash.startsWith('#t=') ? decodeURIComponent(location.hash.slice(3)) : null
    if (this.goal) {
      this.follow = false
      this.part.follow.setAttribute('aria-pressed', 'false')
    }
    this.look(false)
  }

  // chooseSince shows another part of the log. A range begins an hour ago.
  chooseSince() {
    const { since, from, to } = this.form.elements
    const ranged = since.value === 'range'
    this.part.range.hidden = !ranged
    if (ranged && !from.dataset.at && !to.dataset.at) {
      from.dataset.at = isoTime(new Date(Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000))
      this.showEnds()
    }
    this.ask()
    if (ranged) from.focus()
  }

  // showEnds writes the ends of the range in the zone in which times are shown.
  showEnds() {
    const utc = this.part.time.value === 'utc'
    for (const name of ['from', 'to']) {
      const input = this.form.elements[name]
      const at = Date.parse(input.dataset.at)
      input.value = at ? isoTime(new Date(utc ? at : at - new Date(at).getTimezoneOffset() * 60_000)).slice(0, -1) : ''
      input.title = utc ? msg('UTC') : msg('Local time')
    }
  }

  setEnd(input) {
    const at = Date.parse(input.value + (this.part.time.value === 'utc' ? 'Z' : ''))
    const iso = at ? isoTime(new Date(at)) : ''
    if (iso === input.dataset.at) return
    input.dataset.at = iso
    this.ask()
  }

  // much says in an address how much of the log is wanted.
  much(set) {
    const { since, from, to } = this.form.elements
    const ranged = since.value === 'range'
    const [begin, end] = ranged ? [from.dataset.at, to.dataset.at] : ['', '']
    set('since', begin || end ? '' : since.value)
    set('from', begin)
    set('to', end)
  }

  // remember writes the options into the address of the page, or tells the dock
  // of them. With chosen the next log has them too.
  remember(chosen) {
    const u = this.inPage ? new URL(location) : new URL(this.el.dataset.logs, location)
    const set = (name, value) => value ? u.searchParams.set(name, value) : u.searchParams.delete(name)
    set('container', this.form.elements.container?.value)
    this.much(set)
    set('previous', this.form.elements.previous?.checked ? '1' : '')
    set('find', this.part.find.value)
    set('only', this.lines.only ? '1' : '')
    set('around', this.lines.only && this.lines.around ? String(this.lines.around) : '')
    set('time', this.part.time.value)
    set('wrap', this.wrap ? '1' : '')
    if (chosen) keep(u.searchParams)
    this.here = u.pathname + u.search
    if (this.inPage) history.replaceState(history.state, '', this.here + u.hash)
    else this.el.dispatchEvent(new CustomEvent('log-options', { bubbles: true, detail: this.here }))
    const dock = $('[data-dock="logs"]', this.el), download = $('a[download]', this.el)
    if (dock) dock.href = this.here
    if (download) {
      const whole = this.address(null)
      whole.searchParams.set('download', 'log')
      whole.searchParams.set('since', 'all')
      download.href = whole.pathname + whole.search
    }
  }

  // address is what the server is asked for.
  address(goal = this.goal) {
    const u = new URL(this.el.dataset.logs, location)
    const set = (name, v) => v ? u.searchParams.set(name, v) : u.searchParams.delete(name)
    set('container', this.form.elements.container?.value)
    this.much(set)
    set('previous', this.form.elements.previous?.checked ? '1' : '')
    if (goal && this.reaching) {
      u.searchParams.delete('since')
      u.searchParams.set('from', new Date(Date.parse(goal) - 30_000).toISOString().replace(/\.\d+/, ''))
    }
    return u
  }

  // ask begins anew, with other options.
  ask() {
    this.goal = null
    this.el.dataset.logs = this.address().pathname + this.address().search
    this.remember(true)
    this.connect()
  }

  connect() {
    this.sub?.close()
    this.lines.clear()
    this.nodes.clear()
    this.sources.clear()
    this.byIndex = []
    this.fresh = 0
    this.begun = false
    const url = this.address()
    this.sub = subscribe(() => ({ kind: 'logs', url: url.pathname + url.search, from: 0, size: 1, have: this.have() }), (m) => this.got(m))
    this.draw()
  }

  // have tells the server how far each source was seen.
  have() {
    return [...this.sources.values()].filter((s) => s.last).map((s) => `${s.key} ${s.last} ${s.count}`)
  }

  got(m) {
    if (m.error) return this.problem(told(m.error))
    if (!m.logs) return
    if (m.logs.sources) this.setSources(m.logs)
    this.problem(m.logs.problem)
    if (!this.begun) {
      this.begun = true
      this.part.rows.replaceChildren()
    }
    const batch = (m.logs.lines ?? []).map(([i, t, x]) => {
      const s = this.byIndex[i]
      if (t && s) {
        if (s.last === t) s.count++
        else [s.last, s.count] = [t, 1]
      }
      return { s: s?.n ?? 0, t, x }
    })
    const lost = this.lines.add(batch, this.byIndex.length > 1)
    if (!this.follow) {
      this.fresh += batch.length
      if (lost) this.part.lines.scrollTop = this.lastTop = Math.max(0, this.part.lines.scrollTop - lost)
    }
    if (this.goal && !m.logs.more) this.toGoal()
    this.draw()
  }

  problem(text) {
    this.part.problem.hidden = !text
    this.part.problem.textContent = text ?? ''
  }

  // setSources takes the list of what there is to read.
  setSources({ sources, tooMany, problem }) {
    this.tooMany = tooMany
    this.byIndex = sources.map((s) => {
      let mine = this.sources.get(s.key)
      if (!mine) {
        mine = { n: this.sources.size }
        this.sources.set(s.key, mine)
      }
      return Object.assign(mine, { note: '' }, s) // there is none where nothing is to be said
    })
    const all = [...this.sources.values()]
    // What went while there was no connection is not in the list of the next one.
    if (!tooMany && !problem) for (const s of all) if (!this.byIndex.includes(s)) Object.assign(s, { state: 'ended', note: 'deleted' })
    const pods = [...new Set(all.map(podOf))]
    const many = all.length > 1
    const places = new Set(all.map((s) => s.namespace)).size > 1
    const containers = this.containersDiffer()
    for (const s of all) {
      // One pod: its containers are told apart; many: the pods are.
      s.label = pods.length > 1 ? (places ? s.namespace + '/' : '') + short(s.pod) + (containers ? '/' + s.container : '') : s.container
      s.colour = (pods.length > 1 ? pods.indexOf(podOf(s)) : s.n) % colours
    }
    if (many !== this.many) {
      this.many = many
      this.nodes.clear()
      this.part.rows.replaceChildren()
    }
    this.labelCells = many ? Math.min(places ? 36 : 28, Math.max(...all.map((s) => s.label.length))) : 0
    this.el.style.setProperty('--label', this.labelCells + 'ch')
    this.drawSources(many)
  }

  containersDiffer() { return new Set([...this.sources.values()].map((s) => s.container)).size > 1 }

  drawSources(many) {
    const box = this.part.sources
    box.hidden = !many
    if (!many) return
    for (const s of this.sources.values()) {
      let b = s.button
      if (!b) {
        b = s.button = document.createElement('button')
        b.type = 'button'
        b.dataset.source = s.key
        b.translate = false
        b.append(document.createElement('i'), document.createElement('span'), document.createElement('em'))
        box.append(b)
      }
      if (!b.isConnected) box.append(b)
      const off = this.lines.hidden.has(s.n)
      b.className = `logsource c${s.colour}`
      b.setAttribute('aria-pressed', String(!off))
      b.title = `${podOf(s)}/${s.container}${s.note ? ': ' + noteOf(s) : ''}`
      b.children[1].textContent = s.label
      b.children[2].textContent = s.state === 'live' ? '' : noteOf(s) || stages[s.state]
    }
    for (const b of [...box.children]) if (!this.sources.has(b.dataset.source)) b.remove()
  }

  toggleSource(b) {
    const s = b && this.sources.get(b.dataset.source)
    if (!s) return
    if (!this.lines.hidden.delete(s.n)) this.lines.hidden.add(s.n)
    b.setAttribute('aria-pressed', String(!this.lines.hidden.has(s.n)))
    this.lines.relist()
    this.draw(true)
  }

  // look looks for what is written into the field.
  look(remember = true) {
    const text = this.part.find.value
    let find
    this.part.find.removeAttribute('aria-invalid')
    try {
      find = finder(text)
    } catch {
      this.part.find.setAttribute('aria-invalid', 'true')
      this.part.count.textContent = msg('not a regular expression')
      return
    }
    if (remember) this.remember()
    if (String(find) === String(this.lines.find)) return
    if (find) this.current = null
    this.lines.search(find, () => this.redraw())
  }

  setOnly(on, remember = true) {
    this.lines.only = on
    this.part.only.setAttribute('aria-pressed', String(on))
    this.part.around.hidden = !on
    if (remember) this.remember(true)
    this.lines.relist()
    this.draw(true)
  }

  setWrap(on, remember = true) {
    this.wrap = on
    this.part.wrap.setAttribute('aria-pressed', String(on))
    this.el.classList.toggle('wrapped', on)
    if (!remember) return
    this.remember(true)
    this.redraw()
  }

  setFollow(on) {
    this.follow = on
    this.part.follow.setAttribute('aria-pressed', String(on))
    if (on) this.fresh = 0
    this.draw()
  }

  // step goes to the next match.
  step(d) {
    const list = this.lines.list
    if (!this.lines.hits) return
    let i = this.current ? list.indexOf(this.current) : d > 0 ? this.lines.at(this.part.lines.scrollTop) - 1 : list.length
    for (let n = 0; n < list.length; n++) {
      i = (i + d + list.length) % list.length
      if (list[i].hit) break
    }
    this.goTo(i)
  }

  // move goes to the line d lines on.
  move(d) {
    const i = this.at()
    if (this.lines.list.length) this.goTo(i < 0 ? this.lastInSight() : Math.min(this.lines.list.length - 1, Math.max(0, i + d)))
  }

  // lastInSight is the last line of which one sees all.
  lastInSight() {
    const { lines: box } = this.part
    const i = this.lines.at(box.scrollTop + box.clientHeight - 8)
    return Math.max(0, Math.min(i, this.lines.list.length - 1))
  }

  goTo(i) {
    this.current = this.lines.list[i]
    this.setFollow(false)
    this.reveal(i)
    this.redraw()
  }

  // at is where the line is that was gone to, -1 when one does not see it.
  at() {
    const { lines: box } = this.part
    const i = this.current ? this.lines.list.indexOf(this.current) : -1
    const y = this.lines.place(i)
    return i < 0 || y + this.lines.rowHeight < box.scrollTop || y > box.scrollTop + box.clientHeight ? -1 : i
  }

  // line is the one that keys are about.
  line() {
    const i = this.at()
    return this.lines.list[i < 0 ? this.lastInSight() : i]
  }

  reveal(i) {
    const box = this.part.lines
    const y = this.lines.place(i)
    if (y < box.scrollTop || y + 2 * this.lines.rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = Math.max(0, y - box.clientHeight / 2)
    this.lastTop = box.scrollTop
  }

  // toGoal shows the line that the address names. One that is older than what was
  // asked for is asked for.
  toGoal() {
    if (!this.reaching && this.lines.all[0]?.t > this.goal && this.form.elements.since.value !== 'range') {
      this.reaching = true
      return this.connect()
    }
    const i = this.lines.list.findIndex((l) => l.t >= this.goal)
    if (i < 0) return
    this.goal = null
    this.lines.list[i].m = true
    this.linked = this.lines.list[i].t
    this.part.link.hidden = false
    this.part.link.href = location.href
    this.draw()
    requestAnimationFrame(() => this.reveal(i))
  }

  rowsOf(l) {
    if (l.e) return l.e
    if (!this.wrap || !this.cols) return 1
    return Math.max(1, Math.ceil(cellsOf(l) / this.cols))
  }

  // sized follows the size of letters, with the same line at the top.
  sized() {
    const top = this.lines.at(this.part.lines.scrollTop)
    this.lines.rowHeight = rowHeight()
    this.lines.measure()
    this.resized()
    this.part.pad.style.height = this.lines.height + 8 + 'px'
    if (!this.follow) this.part.lines.scrollTop = this.lastTop = this.lines.place(top)
    this.redraw()
  }

  // resized finds out how many characters fit.
  resized() {
    const box = this.part.lines
    const probe = document.createElement('span')
    probe.className = 'lprobe'
    probe.textContent = 'x'.repeat(100)
    this.part.pad.append(probe)
    const width = probe.getBoundingClientRect().width / 100
    probe.remove()
    if (!width || !box.clientWidth) return
    this.cell = width
    this.count()
    this.draw(true)
    if (this.wrap) this.redraw()
  }

  count() {
    if (!this.cell) return
    const beside = (this.part.time.value ? stampCells : 0) + (this.many ? this.labelCells + 2 : 0)
    this.cols = Math.max(10, Math.floor((this.part.lines.clientWidth - 30 - beside * this.cell) / this.cell))
  }

  scrolled() {
    const box = this.part.lines
    const end = box.scrollTop + box.clientHeight >= box.scrollHeight - this.lines.rowHeight
    if (end && !this.follow && box.scrollTop > this.lastTop) this.setFollow(true)
    else if (!end && this.follow && box.scrollTop < this.lastTop - 1) this.setFollow(false)
    this.lastTop = box.scrollTop
    this.draw()
  }

  // keys are what keys do while the lines have the focus; see also help.
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const does = {
      f: () => this.setFollow(!this.follow), w: () => this.setWrap(!this.wrap), '/': () => this.part.find.focus(), End: () => this.setFollow(true), n: () => this.step(1), N: () => this.step(-1),
      j: () => this.move(1), k: () => this.move(-1), m: () => this.mark(this.line()), Enter: () => this.spread(this.line()),
    }[e.key] ?? (e.key in sinceKeys && (() => this.setSince(sinceKeys[e.key])))
    if (!does || e.target !== this.part.lines) return
    e.preventDefault()
    does()
  }

  setSince(value) {
    this.form.elements.since.value = value
    this.chooseSince()
  }

  // click marks a line by its beginning, or spreads its JSON out.
  click(e) {
    const row = e.target.closest?.('.lr')
    const l = row && [...this.nodes].find(([, n]) => n === row)?.[0]
    if (!l) return
    if (e.target.closest('.lj')) this.spread(l)
    else if (e.target.closest('.lg, .lt')) this.mark(l)
  }

  spread(l) {
    if (!l || !isJSON(textOf(l))) return
    l.e = l.e ? undefined : pretty(textOf(l)).split('\n').length
    this.lines.measure()
    this.redraw()
  }

  // mark marks a line or takes its mark off; the last one that was marked has a
  // link, and is in the address of the page.
  mark(l) {
    if (!l) return
    l.m = !l.m
    this.linked = l.m && l.t ? l.t : ''
    this.part.link.hidden = !this.linked
    if (this.linked) {
      if (!this.here) this.remember()
      this.part.link.href = `${this.here}#t=${encodeURIComponent(l.t)}`
    }
    if (this.inPage) {
      history.replaceState(history.state, '', location.pathname + location.search + (this.linked ? `#t=${encodeURIComponent(l.t)}` : ''))
      if (this.linked) say(msg('This line is in the address now.'))
    }
    this.redraw()
  }

  async copyLink() {
    await navigator.clipboard?.writeText(this.part.link.href)
    say(msg('Copied the link.'))
  }

  redraw() {
    this.count()
    this.lines.measure()
    this.anew = true
    this.draw()
  }

  // draw puts the lines in sight into the document, with the next frame.
  draw(keep) {
    if (keep) this.keep = true
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.paint() })
  }

  paint() {
    const { lines: box, pad, rows } = this.part
    if (!this.begun) return this.tell()
    if (this.anew) {
      this.nodes.clear()
      rows.replaceChildren()
      this.anew = false
    }
    pad.style.height = this.lines.height + 8 + 'px'
    if (this.follow) box.scrollTop = this.lastTop = box.scrollHeight
    const list = this.lines.list
    const first = Math.max(0, this.lines.at(box.scrollTop) - more)
    const last = Math.min(list.length, this.lines.at(box.scrollTop + box.clientHeight) + 1 + more)
    const wanted = list.slice(first, last)
    const keep = new Set(wanted)
    for (const [l, n] of this.nodes) {
      if (keep.has(l)) continue
      n.remove()
      this.nodes.delete(l)
    }
    let before = null
    for (const l of wanted) {
      let n = this.nodes.get(l)
      if (!n) this.nodes.set(l, n = this.row(l))
      const next = before ? before.nextSibling : rows.firstChild
      if (next !== n) rows.insertBefore(n, next)
      before = n
    }
    rows.style.transform = `translateY(${this.lines.place(first)}px)`
    this.keep = false
    this.tell()
  }

  tell() {
    const { pill, status, count } = this.part
    pill.hidden = this.follow || !this.fresh
    pill.textContent = msgs(this.fresh, '{n} new line ↓', '{n} new lines ↓')
    const all = this.lines.all.length
    const text = [msgs(all, '{n} line', '{n} lines')]
    if (this.lines.dropped) {
      text.push(msgs(this.lines.dropped, '{n} older line dropped', '{n} older lines dropped'))
      text.push(msg('at most {lines} lines or {size} MB', { lines: mostLines, size: mostMB }))
    }
    const states = [...this.sources.values()]
    const live = states.filter((s) => s.state === 'live').length
    if (states.length > 1) text.push(msg('{live} of {all} containers live', { live, all: states.length }))
    else if (states[0] && states[0].state !== 'live') text.push(stage(states[0]))
    if (this.begun && !states.length) text.push(msg('no pods yet'))
    if (this.tooMany) text.push(msgs(this.tooMany, '{n} more container is not shown', '{n} more containers are not shown'))
    status.title = status.textContent = text.join(' · ') // where the line is too short for it
    if (this.part.find.hasAttribute('aria-invalid')) return
    const at = this.current?.hit ? this.place() : 0
    if (!this.lines.find) count.textContent = ''
    else count.textContent = at ? msgs(this.lines.hits, '{at} of {n} line', '{at} of {n} lines', { at }) : msgs(this.lines.hits, '{n} line', '{n} lines')
  }

  // place is which of the matches the current one is.
  place() {
    let n = 0
    for (const l of this.lines.list) {
      if (l.hit) n++
      if (l === this.current) return n
    }
    return 0
  }

  // row is the element of a line.
  row(l) {
    const el = document.createElement('div')
    el.className = 'lr' + (l.m ? ' marked' : '') + (l === this.current ? ' here' : '')
    const s = [...this.sources.values()][l.s]
    const gutter = document.createElement('span')
    gutter.className = 'lg' + (s && this.many ? ` c${s.colour}` : '')
    gutter.title = l.t ? `${l.t}\n${msg('Click to mark')}` : msg('Click to mark')
    el.append(gutter)
    if (this.part.time.value) {
      const t = document.createElement('span')
      t.className = 'lt'
      t.textContent = l.t ? clock(l.t, this.part.time.value) : ''
      t.title = l.t
      el.append(t)
    }
    if (s && this.many) {
      const name = document.createElement('span')
      name.className = `ls c${s.colour}`
      name.textContent = s.label
      name.title = `${podOf(s)}/${s.container}`
      el.append(name)
    }
    const text = document.createElement('span')
    text.className = 'lx'
    if (isJSON(textOf(l))) {
      const b = document.createElement('button')
      b.type = 'button'
      b.className = 'lj'
      b.textContent = l.e ? '−' : '+'
      b.setAttribute('aria-label', l.e ? msg('Fold') : msg('Spread out'))
      b.tabIndex = -1
      text.append(b)
    }
    if (l.e) {
      text.classList.add('spread')
      text.append(...this.marked([{ text: pretty(textOf(l)), style: null }]))
    } else text.append(...this.marked(runs(l.x)))
    el.append(text)
    return el
  }

  // marked makes nodes of pieces of text, with what is looked for marked.
  marked(pieces) {
    const find = this.lines.find
    if (!find && pieces.length === 1 && !pieces[0].style) return [pieces[0].text]
    const whole = pieces.map((p) => p.text).join('')
    const found = spots(find, whole)
    const out = []
    let at = 0
    for (const { text, style } of pieces) {
      const end = at + text.length
      let from = at
      const add = (to, hit) => {
        if (to <= from) return
        const piece = text.slice(from - at, to - at)
        if (!hit && !style) out.push(piece)
        else {
          const el = document.createElement(hit ? 'mark' : 'span')
          if (style) dress(el, style)
          el.textContent = piece
          out.push(el)
        }
        from = to
      }
      for (const [a, b] of found) {
        if (b <= at || a >= end) continue
        add(Math.max(a, at), false)
        add(Math.min(b, end), true)
      }
      add(end, false)
      at = end
    }
    return out
  }
}

// The stages of a source, and what is said of one; see web/logs/source.go. Other
// notes are the API's.
const stages = { waiting: msg('waiting'), live: msg('live'), ended: msg('ended') }
const notes = { deleted: msg('deleted'), stopped: msg('stopped') }
const noteOf = (s) => notes[s.note] ?? s.note
const stage = (s) => (s.note ? msg('{stage}: {note}', { stage: stages[s.state], note: noteOf(s) }) : stages[s.state])

const podOf = (s) => `${s.namespace}/${s.pod}`

const isoTime = (date) => date.toISOString().replace(/\.\d+/, '')

// short is a pod's name without what is the same for all of its owner.
const short = (pod) => pod.length > 24 ? '…' + pod.slice(-22) : pod

const isJSON = (s) => s.length > 2 && s.length < 32768 && /^\s*\{.*\}\s*$/s.test(s)

function pretty(s) {
  try {
    return JSON.stringify(JSON.parse(s), null, 2)
  } catch {
    return s
  }
}

// clock is the time of a line: hours to milliseconds.
function clock(t, zone) {
  if (zone === 'utc') return t.slice(11, 23)
  const d = new Date(t)
  return d.toTimeString().slice(0, 8) + '.' + t.slice(20, 23)
}

// inSight is the log that keys are about: the one with the focus, else the one
// that the page or its panel is.
function inSight() {
  const shown = [...views.values()].reverse().filter((v) => v.el.isConnected && v.el.offsetParent)
  return shown.find((v) => v.el.contains(document.activeElement)) ?? shown.find((v) => !$('#filter') && !document.activeElement?.closest('#dock'))
}

// The key of the filter looks for something in the log that is in sight, and so
// does that of browsers, which see only the lines that are in the document.
document.addEventListener('keydown', (e) => {
  const browsers = (e.ctrlKey || e.metaKey) && !e.shiftKey && e.key === 'f'
  if (!browsers && (e.key !== '/' || e.ctrlKey || e.metaKey || e.target.closest?.('input, textarea, select'))) return
  if (e.altKey || e.target.closest?.('.xterm, .cm-editor')) return
  const v = inSight()
  if (!v || document.activeElement === v.part.find) return
  e.preventDefault()
  e.stopImmediatePropagation()
  v.part.find.focus()
  v.part.find.select()
}, true)

// The help lists the keys of a log while its lines have the focus.
document.addEventListener('key-help', (e) => {
  if (inSight()) e.detail.push({ keys: ['/', 'Control+f'], what: msg('Find in the log') })
  if (!document.activeElement?.matches('[data-log="lines"]')) return
  e.detail.push(
    { keys: ['f', 'End'], what: msg('Follow the end of the log, or stay here') }, { keys: ['w'], what: msg('Wrap long lines') }, { keys: ['n', 'N'], what: msg('Next match, match before') },
    { keys: ['j', 'k'], what: msg('Next line, line before') }, { keys: ['m'], what: msg('Mark the line') }, { keys: ['Enter'], what: msg('Spread its JSON out') },
    { keys: ['0', '…', '6'], what: msg('The last lines, everything, 1, 5, 15, 30 minutes, 1 hour') }, { keys: ['Control++', 'Control+-', 'Control+0'], what: msg('Letters larger, smaller, as usual') },
  )
})
