// Shows an answer of any size: only the lines in sight are in the document. It is
// taken in pieces, so that the page stays usable meanwhile. What is looked for is
// found in all of it.
import './shared.js'
import { finder, spots } from './find.js'
import { $ } from './html.js'
import { msg, msgs } from './messages.js'

const beyond = 40 // lines beyond what is in sight
const longest = 2000 // letters of a line; what is more goes on in the next one
const piece = 128 << 10 // letters that are taken at once
const most = 1_500_000 // lines, as high as an element can be
const slice = 8000 // lines that are looked through at once
const overlap = 200 // letters of the next piece of a line that a match may reach into

/** start shows the whole of the answer whose beginning is in box. */
export async function start(box) {
  const answer = await fetch(box.dataset.answer, { headers: { 'X-Pilothouse': 'answer' } }).catch(() => null)
  if (!answer?.ok || !box.isConnected) return
  const view = new View(box)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value = '' } = await reader.read()
    for (let at = 0; at < value.length; at += piece) {
      const lines = (rest + value.slice(at, at + piece)).split('\n')
      rest = lines.pop()
      view.add(lines)
      await new Promise((ok) => setTimeout(ok)) // others have their turn
      if (!box.isConnected) return reader.cancel()
    }
    if (done) break
  }
  if (rest) view.add([rest])
  view.draw()
  const cut = $('[data-answer-cut]', box.parentNode)
  if (cut) cut.textContent = msgs(view.number, '{n} line', '{n} lines')
}

class View {
  constructor(box) {
    this.box = $('pre', box)
    this.code = $('code', box)
    this.lines = [] // texts, with the number of those that begin one
    this.numbers = []
    this.number = 0
    this.height = this.code.firstElementChild?.getBoundingClientRect().height || 18
    this.box.classList.add('answer')
    this.rows = document.createElement('div')
    this.hits = [] // lines with what is looked for, in their order
    this.current = -1 // of hits
    this.searched = 0 // lines that were looked through
    this.bar(box)
    this.box.addEventListener('scroll', () => this.draw(), { passive: true })
    new ResizeObserver(() => this.draw()).observe(this.box)
  }

  // bar puts a field above the answer in which one looks for something.
  bar(box) {
    const bar = document.createElement('p')
    bar.className = 'row answerfind'
    this.field = document.createElement('input')
    this.field.type = 'search'
    this.field.maxLength = overlap
    this.field.spellcheck = false
    this.field.placeholder = msg('Find, or /regular expression/')
    this.field.setAttribute('aria-label', msg('Find in the answer'))
    this.count = document.createElement('span')
    this.count.className = 'dim'
    this.count.setAttribute('role', 'status')
    const step = (text, label, d) => {
      const b = document.createElement('button')
      b.type = 'button'
      b.className = 'icon'
      b.textContent = text
      b.title = label
      b.setAttribute('aria-label', label)
      b.onclick = () => this.step(d)
      return b
    }
    bar.append(this.field, step('↑', msg('Match before (Shift Enter)'), -1), step('↓', msg('Next match (Enter)'), 1), this.count)
    box.prepend(bar)
    let typing = 0
    this.field.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(() => this.look(), 120) })
    this.field.addEventListener('keydown', (e) => {
      if (e.key === 'Enter') { e.preventDefault(); clearTimeout(typing); this.look().then((went) => went || this.step(e.shiftKey ? -1 : 1)) }
      if (e.key === 'Escape' && this.field.value) { e.preventDefault(); e.stopPropagation(); this.field.value = ''; this.look() }
    })
    // Browsers find only what is in the document; once more it is their own find.
    const key = (e) => {
      if (!box.isConnected) return document.removeEventListener('keydown', key, true)
      if (e.key !== 'f' || !(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey || document.activeElement === this.field || e.target.closest?.('.xterm, .cm-editor, [data-logs]')) return
      e.preventDefault()
      e.stopImmediatePropagation()
      this.field.focus()
      this.field.select()
    }
    document.addEventListener('keydown', key, true)
  }

  // look looks for what is in the field and goes to the next place; it tells
  // whether that was something else than before.
  async look() {
    let find
    try {
      find = finder(this.field.value)
      this.field.removeAttribute('aria-invalid')
    } catch {
      this.field.setAttribute('aria-invalid', 'true')
      this.count.textContent = msg('not a regular expression')
      return true
    }
    if (String(find) === String(this.find ?? null)) return false
    this.find = find
    this.hits = []
    this.current = -1
    this.searched = 0
    this.first = -1
    this.draw()
    await this.search()
    if (this.find === find && this.hits.length) this.goTo(this.nearest())
    return true
  }

  // search goes on where the last one ended: at the end of what has come.
  async search() {
    const find = this.find
    while (find && find === this.find && this.searched < this.lines.length) {
      const end = Math.min(this.lines.length, this.searched + slice)
      for (; this.searched < end; this.searched++) if (this.found(this.searched).some(([a]) => a >= 0)) this.hits.push(this.searched)
      this.tell()
      await new Promise((ok) => setTimeout(ok))
    }
    this.tell()
  }

  // found are the places of what is looked for in a piece of a line. What began
  // in the piece before has a negative beginning, what ends in the next one an end
  // beyond this one.
  found(i) {
    if (!this.find) return []
    const text = this.lines[i]
    const goesOn = (k) => k < this.lines.length && !this.numbers[k]
    const out = spots(this.find, goesOn(i + 1) ? text + this.lines[i + 1].slice(0, overlap) : text).filter(([a]) => a < text.length)
    if (!goesOn(i)) return out
    const before = this.lines[i - 1]
    for (const [a, b] of spots(this.find, before.slice(-overlap) + text.slice(0, overlap))) {
      const at = Math.min(overlap, before.length)
      if (a < at && b > at) out.unshift([a - at, b - at])
    }
    return out
  }

  // nearest is the first match from the line in sight on.
  nearest() {
    const top = this.box.scrollTop / this.height
    const i = this.hits.findIndex((l) => l >= top)
    return i < 0 ? 0 : i
  }

  step(d) {
    const n = this.hits.length
    if (n) this.goTo((this.current + d + n) % n)
  }

  goTo(i) {
    this.current = i
    const y = this.hits[i] * this.height
    if (y < this.box.scrollTop || y + 2 * this.height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = Math.max(0, y - this.box.clientHeight / 2)
    this.first = -1
    this.draw()
    this.tell()
  }

  tell() {
    const n = this.hits.length
    if (!this.find) this.count.textContent = ''
    else this.count.textContent = this.current < 0 ? msgs(n, '{n} line', '{n} lines') : msgs(n, '{at} of {n} line', '{at} of {n} lines', { at: this.current + 1 })
  }

  add(lines) {
    for (const line of lines) {
      this.number++
      for (let at = 0; at === 0 || at < line.length; at += longest) {
        if (this.lines.length === most) return
        this.lines.push(line.length > longest ? line.slice(at, at + longest) : line)
        this.numbers.push(at ? 0 : this.number)
      }
    }
    this.draw()
    if (this.find) this.search()
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.paint() })
  }

  paint() {
    if (!this.rows.isConnected) this.code.replaceChildren(this.rows)
    this.code.style.height = `${this.lines.length * this.height}px`
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - beyond)
    const last = Math.min(this.lines.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + beyond)
    if (first === this.first && last === this.last) return
    this.first = first
    this.last = last
    this.rows.style.transform = `translateY(${first * this.height}px)`
    this.rows.replaceChildren(...this.lines.slice(first, last).map((text, i) => {
      const row = document.createElement('span')
      row.className = 'ln'
      if (this.numbers[first + i]) row.dataset.n = this.numbers[first + i]
      if (first + i === this.hits[this.current]) row.classList.add('here')
      let at = 0
      for (const [a, b] of this.found(first + i)) {
        if (b <= at) continue
        const mark = document.createElement('mark')
        mark.textContent = text.slice(Math.max(a, at), b)
        row.append(text.slice(at, Math.max(a, at)), mark)
        at = b
      }
      row.append(text.slice(at) + '\n')
      return row
    }))
  }
}
