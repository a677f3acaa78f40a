// The lines of a log in memory: bounded, in order, with those that match. It
// knows nothing of the page; logs.js shows it.
import { plain } from './ansi.js'

/** mostLines is how many lines are kept. */
export const mostLines = 100_000
/** mostMB is how much memory their texts may take. */
export const mostMB = 32
const mostBytes = mostMB << 20
const slice = 12 // of a search, in milliseconds

// bytes is what a line's text takes, with the copy without escape sequences.
const bytes = (l) => l.x.length * (/[^\0-\xff]/.test(l.x) ? 2 : 1) * (l.x.includes('\x1b') ? 2 : 1)

/** textOf is a line's text without escape sequences. */
export const textOf = (l) => l.p ??= plain(l.x)

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/gu

/** cellsOf is how many cells of a fixed-width font a line takes. */
export function cellsOf(l) {
  if (l.w !== undefined) return l.w
  const s = textOf(l)
  let n = s.length
  if (/[^\x20-\x7e]/.test(s)) {
    n = [...s].length + (s.match(wide)?.length ?? 0)
    if (s.includes('\t')) n += 7 * (s.split('\t').length - 1)
  }
  return l.w = n
}

/** Lines keeps lines { s, t, x }: source, time, text. list are those that are
 * shown, tops the place of each, in pixels. */
export class Lines {
  constructor() {
    this.rowHeight = 18
    this.rows = () => 1 // of a line
    this.find = null // what is looked for: RegExp or null
    this.only = false
    this.around = 0
    this.hidden = new Set() // sources
    this.clear()
  }

  clear() {
    this.all = []
    this.bytes = 0
    this.dropped = 0
    this.hits = 0
    this.generation = (this.generation ?? 0) + 1
    this.relist()
  }

  get filtered() { return this.hidden.size > 0 || (this.only && this.find) }

  /** height is that of all lines. */
  get height() { return this.list.length ? this.tops[this.list.length - 1] + this.rows(this.list.at(-1)) * this.rowHeight - this.tops[0] : 0 }

  test(l) {
    this.find.lastIndex = 0
    return this.find.test(textOf(l))
  }

  /** add takes lines that came, and gives by how many pixels the lines above
   * were shortened. */
  add(batch, merge) {
    if (!batch.length) return 0
    for (const l of batch) {
      this.bytes += bytes(l)
      if (this.find && (l.hit = this.test(l))) this.hits++
    }
    const last = this.all.at(-1)
    if (merge && last && batch[0].t && batch[0].t < last.t) this.merge(batch)
    else {
      const from = this.all.length
      for (const l of batch) this.all.push(l)
      if (!this.filtered) this.grow(batch)
      else if (this.only && this.find && this.around) this.relist()
      else this.grow(this.all.slice(from).filter((l) => this.shows(l)))
    }
    return this.trim()
  }

  shows(l) { return !this.hidden.has(l.s) && (!this.only || !this.find || l.hit) }

  // merge puts late lines where their times belong.
  merge(batch) {
    let at = this.all.length
    while (at > 0 && this.all[at - 1].t > batch[0].t) at--
    const tail = this.all.splice(at)
    for (let i = 0, k = 0; i < tail.length || k < batch.length;) {
      if (k === batch.length || i < tail.length && tail[i].t <= batch[k].t) this.all.push(tail[i++])
      else this.all.push(batch[k++])
    }
    this.relist()
  }

  // grow puts lines at the end of those that are shown.
  grow(lines) {
    const n = this.tops.length
    let top = n ? this.tops[n - 1] + this.rows(this.list[n - 1]) * this.rowHeight : 0
    for (const l of lines) {
      if (this.list !== this.all) this.list.push(l)
      this.tops.push(top)
      top += this.rows(l) * this.rowHeight
    }
  }

  // trim forgets the oldest lines when there are too many.
  trim() {
    let n = Math.max(0, this.all.length - mostLines)
    for (let i = 0; i < n; i++) this.bytes -= bytes(this.all[i])
    while (this.bytes > mostBytes && n < this.all.length - 1) this.bytes -= bytes(this.all[n++])
    if (!n) return 0
    const gone = this.all.splice(0, n)
    this.dropped += n
    for (const l of gone) if (l.hit) this.hits--
    const before = this.tops[0] ?? 0
    if (this.list === this.all) this.tops.splice(0, n)
    else {
      const out = new Set(gone)
      let k = 0
      while (k < this.list.length && out.has(this.list[k])) k++
      this.list.splice(0, k)
      this.tops.splice(0, k)
    }
    return (this.tops[0] ?? before) - before
  }

  /** relist finds out anew which lines are shown, and where. */
  relist() {
    if (!this.filtered) this.list = this.all
    else if (this.only && this.find && this.around) {
      const near = new Uint8Array(this.all.length)
      this.all.forEach((l, i) => { if (l.hit && !this.hidden.has(l.s)) near.fill(1, Math.max(0, i - this.around), i + this.around + 1) })
      this.list = this.all.filter((l, i) => near[i] && !this.hidden.has(l.s))
    } else this.list = this.all.filter((l) => this.shows(l))
    this.measure()
  }

  /** measure finds out anew where lines are. */
  measure() {
    let top = 0
    this.tops = new Array(this.list.length)
    for (let i = 0; i < this.list.length; i++) {
      this.tops[i] = top
      top += this.rows(this.list[i]) * this.rowHeight
    }
  }

  /** search looks for something else, a moment at a time; progress() is called
   * when there is more to see. */
  async search(find, progress) {
    const mine = ++this.generation
    this.find = find
    this.hits = 0
    for (const l of this.all) l.hit = undefined
    if (find) {
      let end = performance.now() + slice
      for (let i = 0; i < this.all.length; i++) {
        const l = this.all[i]
        if (l.hit === undefined && (l.hit = this.test(l))) this.hits++
        if (performance.now() > end) {
          this.relist()
          progress()
          await new Promise((ok) => setTimeout(ok))
          if (this.generation !== mine) return
          end = performance.now() + slice
        }
      }
      // Those that moved meanwhile.
      for (const l of this.all) if (l.hit === undefined && (l.hit = this.test(l))) this.hits++
    }
    this.relist()
    progress()
  }

  /** at is the index of the line at a place. */
  at(y) {
    let lo = 0, hi = this.list.length
    const want = y + (this.tops[0] ?? 0)
    while (lo + 1 < hi) {
      const mid = (lo + hi) >> 1
      if (this.tops[mid] <= want) lo = mid
      else hi = mid
    }
    return lo
  }

  place(i) { return (this.tops[i] ?? 0) - (this.tops[0] ?? 0) }
}
