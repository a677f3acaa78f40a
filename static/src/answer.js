// Shows an answer of any size: only the lines in sight are in the document. It is
// taken in pieces, so that the page stays usable meanwhile.
import './shared.js'
import { $ } from './html.js'
import { msgs } from './messages.js'

const beyond = 40 // lines beyond what is in sight
const longest = 2000 // letters of a line; what is more goes on in the next one
const piece = 128 << 10 // letters that are taken at once
const most = 1_500_000 // lines, as high as an element can be

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
    this.box.addEventListener('scroll', () => this.draw(), { passive: true })
    new ResizeObserver(() => this.draw()).observe(this.box)
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
      row.textContent = text + '\n'
      return row
    }))
  }
}
