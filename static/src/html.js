// HTML that the server made becomes nodes here and nowhere else: this is the one
// Trusted Types policy of the page. What goes in comes from this origin.
const policy = globalThis.trustedTypes
  ? trustedTypes.createPolicy('pilothouse', { createHTML: (s) => s })
  : { createHTML: (s) => s }

// styled lets the styles of what came later apply: the policy of the document knows
// those that came with it.
const nonce = () => document.querySelector('script[type=module]')?.nonce ?? ''
const styled = (html) => policy.createHTML(html.replace(/(<style nonce=")[^"]*/g, (_, tag) => tag + nonce()))

/** fragment gives the nodes of a piece of HTML. */
export function fragment(html) {
  const t = document.createElement('template')
  t.innerHTML = styled(html)
  return t.content
}

/** safe is a text as HTML. */
export const safe = (text) => text.replace(/[&<"]/g, (c) => `&#${c.charCodeAt()};`)

/** page parses a whole document. */
export const page = (html) => new DOMParser().parseFromString(styled(html), 'text/html')

export const $ = (selector, root = document) => root.querySelector(selector)
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)]

/** told is what is said of an error of a live part, with what the server knows it by. */
export const told = (e) => e.problem ?? `${e.Title}: ${e.Message}${e.AuditID ? ` (${e.Reason || e.Code}, ${e.AuditID})` : ''}`

/** later is in how many milliseconds a live part is asked for again that failed, 0 for
 * what would fail again. */
export const later = (e) => e.Code === 429 || e.Code >= 500 ? Math.max(e.After || 0, 5) * 1000 : 0

let speaking
/** say tells screen readers something, the last of many only. */
export function say(text) {
  clearTimeout(speaking)
  speaking = setTimeout(() => { $('#said').textContent = text }, 400)
}
