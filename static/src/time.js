// Ages count on: one timer for the whole page, which touches a text only when it
// becomes another one.
import { $$ } from './html.js'

const units = [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]]

/** age is a number of seconds as kubectl prints ages. */
export function age(seconds) {
  const s = Math.floor(seconds)
  if (s < -1) return '<invalid>'
  if (s < 0) return '0s'
  if (s < 120) return `${s}s`
  const m = Math.floor(s / 60)
  if (m < 10) return s % 60 ? `${m}m${s % 60}s` : `${m}m`
  if (m < 180) return `${m}m`
  const h = Math.floor(m / 60)
  if (h < 8) return m % 60 ? `${h}h${m % 60}m` : `${h}h`
  if (h < 48) return `${h}h`
  const d = Math.floor(h / 24)
  if (h < 192) return h % 24 ? `${d}d${h % 24}h` : `${d}d`
  if (d < 730) return `${d}d`
  const y = Math.floor(d / 365)
  if (d < 2920) return d % 365 ? `${y}y${d % 365}d` : `${y}y`
  return `${y}y`
}

/** tick brings the ages below root up to date. */
export function tick(root = document) {
  const now = Date.now()
  for (const t of $$('time[datetime]:not([data-exact])', root)) {
    const text = age((now - Date.parse(t.dateTime)) / 1000)
    if (t.textContent !== text) t.textContent = text
    if (!t.title) t.title = t.dateTime
  }
}

setInterval(() => { if (!document.hidden) tick() }, 1000)
