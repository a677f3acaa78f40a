// HTML that the server made becomes nodes here and nowhere else: this is the one
// Trusted Types policy of the page. What goes in comes from this origin.
const policy = globalThis.trustedTypes
  ? trustedTypes.createPolicy('pilothouse', { createHTML: (s) => s })
  : { createHTML: (s) => s }

/** fragment gives the nodes of a piece of HTML. */
export function fragment(html) {
  const t = document.createElement('template')
  t.innerHTML = policy.createHTML(html)
  return t.content
}

/** safe is a text as HTML. */
export const safe = (text) => text.replace(/[&<"]/g, (c) => `&#${c.charCodeAt()};`)

/** page parses a whole document. */
export const page = (html) => new DOMParser().parseFromString(policy.createHTML(html), 'text/html')

export const $ = (selector, root = document) => root.querySelector(selector)
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)]

let speaking
/** say tells screen readers something, the last of many only. */
export function say(text) {
  clearTimeout(speaking)
  speaking = setTimeout(() => { $('#said').textContent = text }, 400)
}
