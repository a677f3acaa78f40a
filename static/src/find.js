// What people look for in long texts: words, or /a regular expression/.

const mostSpots = 200

/** finder reads what was typed: a RegExp that finds all of it, or null for
 * nothing. It throws on what is not a regular expression. */
export function finder(text) {
  const m = text.match(/^\/(.+?)\/?([i]?)$/s)
  if (m) return new RegExp(m[1], 'g' + m[2])
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi') : null
}

/** spots are where it is in a text, each as [begin, end]. */
export function spots(find, text) {
  const out = []
  if (!find) return out
  find.lastIndex = 0
  for (const m of text.matchAll(find)) {
    if (m[0]) out.push([m.index, m.index + m[0].length])
    if (out.length > mostSpots) break
  }
  return out
}
