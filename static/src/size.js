// The size of the letters of logs and of terminals, with the keys that terminals
// have for it; kept by the browser.

const [least, usual, most] = [8, 12, 28]

/** textSize is that of logs, in pixels; terminals have one more. */
export function textSize() {
  try {
    return Math.min(most, Math.max(least, Number(localStorage.getItem('text size')) || usual))
  } catch { return usual }
}

// apply tells styles, and everybody by an event.
function apply() {
  const root = document.documentElement.style
  root.setProperty('--log-size', textSize() + 'px')
  root.setProperty('--log-line', rowHeight() + 'px')
  document.dispatchEvent(new CustomEvent('text-size'))
}

/** rowHeight is that of a line of a log, in whole pixels. */
export const rowHeight = () => Math.round(textSize() * 1.5)

/** resize makes letters larger by d pixels, or as usual for 0. */
export function resize(d) {
  try {
    localStorage.setItem('text size', String(d ? Math.min(most, Math.max(least, textSize() + d)) : usual))
  } catch { return }
  apply()
}

const keys = { '+': 1, '=': 1, '-': -1, 0: 0 }

/** resizeByKey does what the keys of terminals do: Ctrl + - 0. It tells whether
 * the key was one of them. */
export function resizeByKey(e) {
  if (!(e.ctrlKey || e.metaKey) || e.altKey || !Object.hasOwn(keys, e.key)) return false
  e.preventDefault()
  resize(keys[e.key])
  return true
}

addEventListener('storage', (e) => { if (e.key === 'text size') apply() })
apply()
