// Escape sequences of terminals in the lines of logs: colours and weights become
// pieces of text with classes, everything else is left out.

// CSI, OSC and other sequences, and control characters that show nothing.
const sequence = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g

/** plain is a line without escape sequences. */
export const plain = (s) => /[\x00-\x08\x0b-\x1f\x7f]/.test(s) ? s.replace(sequence, '').replaceAll('\x1b', '') : s

const cube = [0, 95, 135, 175, 215, 255]
const hex = (r, g, b) => '#' + [r, g, b].map((v) => Math.min(255, v || 0).toString(16).padStart(2, '0')).join('')

// colour is a class name for the 16 colours of the theme, else an RGB value.
function colour(n) {
  if (n < 16) return n
  if (n < 232) {
    n -= 16
    return hex(cube[Math.floor(n / 36)], cube[Math.floor(n / 6) % 6], cube[n % 6])
  }
  const grey = 8 + 10 * (Math.min(n, 255) - 232)
  return hex(grey, grey, grey)
}

// extended reads 38 and 48: ;5;N or ;2;R;G;B. It gives the colour and how many
// numbers that took.
function extended(codes, i) {
  if (codes[i + 1] === 5) return [colour(codes[i + 2] || 0), 2]
  if (codes[i + 1] === 2) return [hex(codes[i + 2], codes[i + 3], codes[i + 4]), 4]
  return [null, 0]
}

function apply(style, codes) {
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i]
    if (c === 0) Object.assign(style, { fg: null, bg: null, bold: false, dim: false, italic: false, under: false, invert: false, strike: false })
    else if (c === 1) style.bold = true
    else if (c === 2) style.dim = true
    else if (c === 3) style.italic = true
    else if (c === 4) style.under = true
    else if (c === 7) style.invert = true
    else if (c === 9) style.strike = true
    else if (c === 22) style.bold = style.dim = false
    else if (c === 23) style.italic = false
    else if (c === 24) style.under = false
    else if (c === 27) style.invert = false
    else if (c === 29) style.strike = false
    else if (c >= 30 && c <= 37) style.fg = c - 30
    else if (c === 39) style.fg = null
    else if (c >= 40 && c <= 47) style.bg = c - 40
    else if (c === 49) style.bg = null
    else if (c >= 90 && c <= 97) style.fg = c - 82
    else if (c >= 100 && c <= 107) style.bg = c - 92
    else if (c === 38 || c === 48) {
      const [v, took] = extended(codes, i)
      if (v !== null) style[c === 38 ? 'fg' : 'bg'] = v
      i += took
    }
  }
}

/** runs cuts a line into pieces of one look: { text, style }, style null for
 * none. */
export function runs(s) {
  if (!s.includes('\x1b')) return [{ text: plain(s), style: null }]
  const out = []
  const style = {}
  let at = 0
  const add = (to) => {
    if (to > at) out.push({ text: s.slice(at, to), style: Object.values(style).some((v) => v !== null && v !== false) ? { ...style } : null })
  }
  for (const m of s.matchAll(sequence)) {
    add(m.index)
    at = m.index + m[0].length
    if (m[2] === 'm') apply(style, m[1].split(/[;:]/).map(Number))
  }
  add(s.length)
  for (const r of out) r.text = r.text.replaceAll('\x1b', '')
  return out
}

/** dress gives an element the look of a piece of text. */
export function dress(el, style) {
  let { fg = null, bg = null } = style
  if (style.invert) [fg, bg] = [bg ?? 'bg', fg ?? 'fg']
  const put = (name, v) => {
    if (v === null) return
    if (typeof v === 'number' || v === 'fg' || v === 'bg') el.classList.add(`${name}-${v}`)
    else el.style[name === 'f' ? 'color' : 'backgroundColor'] = v
  }
  put('f', fg)
  put('b', bg)
  for (const name of ['bold', 'dim', 'italic', 'under', 'strike']) if (style[name]) el.classList.add('a-' + name)
}
