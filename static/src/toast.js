// What was done last, with the button that takes it back: for ten seconds, and
// for as long as somebody points at it.
import { $ } from './html.js'

const box = $('#toasts')
let timer = 0
let shown = null // the id of what is or was shown last

/** start shows what a page that came says; doc is that page. */
export function start(doc = document) {
  const now = $('#toasts [data-toast]', doc)
  if (!now || !box) return
  if (doc !== document) {
    if (now.dataset.toast === shown) return
    box.replaceChildren(document.importNode(now, true))
  }
  shown = now.dataset.toast
  clearTimeout(timer)
  timer = setTimeout(over, Number(now.dataset.left))
}

function over() {
  if (box.matches(':hover, :focus-within')) timer = setTimeout(over, 1000)
  else close()
}

/** close takes it away. */
export function close() {
  clearTimeout(timer)
  box.replaceChildren()
}

/** undo is the button that takes it back, or null. */
export const undo = () => $('[data-undo]', box ?? document)
