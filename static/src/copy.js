// What can be copied: commands by their buttons; names, images, labels and
// whatever else is no link by a click; and by c what the pointer is on, else the
// row, else the object that is open.
import { copy } from './clipboard.js'
import { $ } from './html.js'
import { msg } from './messages.js'

// Where the pointer is, of the places whose text is what somebody may want: each
// is a link, or is copied by a click (.copy).
let pointed = null
document.addEventListener('pointerover', (e) => { pointed = e.target.closest('.copy, a[data-open], .chip, .facts dd a, .facts dd, .plain td a, .plain td, .list td, .crumbs a, .crumbs span, h1') ?? null })

const textOf = (el) => (el.dataset.copy || (el.querySelector(':scope > .tone')?.lastChild ?? el).textContent).trim()

/** target is what c copies: an element, or null. */
export function target() {
  if (pointed?.isConnected && pointed.matches(':hover') && textOf(pointed)) return pointed
  const row = document.activeElement?.closest?.('tr[data-uid]')
  if (row) return $('a[data-open]', row)
  return $('#panel:not([hidden]) .title h2 a') ?? $('#main [data-object] .title h1')
}

/** copyTarget copies it, and shows for a moment that it did. */
export async function copyTarget(el = target()) {
  if (!el) return
  await copy(textOf(el))
  el.classList.add('copied')
  setTimeout(() => el.classList.remove('copied'), 900)
}

/** copyBeside copies the code beside a button, which says so for a moment. */
export async function copyBeside(button) {
  await copy($('code', button.parentNode).textContent)
  const was = button.textContent
  if (button.dataset.said) return
  button.dataset.said = '1'
  button.textContent = msg('Copied')
  setTimeout(() => { button.textContent = was; delete button.dataset.said }, 1200)
}

document.addEventListener('click', (e) => {
  const el = e.target.closest?.('.copy')
  if (el && !String(getSelection())) copyTarget(el)
})
