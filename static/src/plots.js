// Small plots over the drawings that the server sent: with values under the
// pointer and a time below.
import './shared.js'
import uPlot from 'uplot'
import { $$ } from './html.js'
import { clock, number } from './messages.js'

const drawn = new WeakMap() // element -> { plot, data }
const height = 92

const colour = (el, name) => getComputedStyle(el).getPropertyValue(name).trim()

/** plots draws what [data-plot] elements below root say, or brings it up to date. */
export function plots(root) {
  for (const el of $$('[data-plot]', root)) {
    const was = drawn.get(el)
    const data = JSON.parse(el.dataset.plot)
    const values = [data.t, ...data.series.map((s) => s.v)]
    if (was) was.setData(values)
    else if (data.t.length > 1) drawn.set(el, make(el, data, values))
  }
}

function make(el, data, values) {
  const lines = ['--accent', '--gone', '--bad'].map((n) => colour(el, n))
  const axis = { stroke: colour(el, '--dim'), grid: { stroke: colour(el, '--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' }
  const legend = el.parentNode.querySelector('figcaption .dim')
  const unit = data.unit && data.unit !== '/s' ? ` ${data.unit}` : data.unit
  const tell = (u) => {
    const i = u.cursor.idx ?? u.data[0].length - 1
    const at = u.cursor.idx == null ? '' : clock(new Date(u.data[0][i] * 1000)) + '  '
    legend.replaceChildren(at, ...data.series.map((s, k) => {
      const one = document.createElement('span')
      one.className = `key line${k}`
      one.textContent = `${s.label} ${short(u.data[k + 1][i])}${unit}`
      return one
    }))
  }
  const u = new uPlot({
    width: el.clientWidth, height, legend: { show: false }, cursor: { y: false, points: { size: 5 } }, padding: [6, 26, 0, 0], // half a time stands out to the right
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [{ ...axis, size: 20, space: 64, values: (_, t, __, ___, step) => t.map((x) => clock(new Date(x * 1000)).slice(0, step < 60 ? 8 : 5)) }, { ...axis, size: 38, space: 24, values: (_, v) => v.map(short) }],
    series: [{}, ...data.series.map((s, i) => ({ label: s.label, stroke: lines[i], fill: i || !lines[i].startsWith('#') ? undefined : lines[i] + '1f', width: 1.5, points: { show: false } }))],
    hooks: { setCursor: [tell] },
  }, values, el)
  el.replaceChildren(u.root)
  u.root.setAttribute('role', 'img')
  u.root.setAttribute('aria-label', el.parentNode.textContent.trim())
  new ResizeObserver(() => u.setSize({ width: el.clientWidth, height })).observe(el)
  return u
}

const short = (x) => (x == null ? '' : number(x >= 100 ? Math.round(x) : Math.round(x * 100) / 100))
