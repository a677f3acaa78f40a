// Forms that are sent without leaving the page, the editor over their text, and
// drafts, so that nothing that was typed is lost.
import { $, $$ } from './html.js'
import { msg } from './messages.js'

const nonce = $('script[type=module]')?.nonce ?? ''
let open = null // { form, area, view, key, saved }

/** start puts the editor over the form of the page. */
export async function start(root) {
  keep()
  open?.view?.destroy()
  open = null
  const form = $('form[data-edit]', root)
  const area = form && $('[data-editor] textarea', form)
  if (!area) return
  const mine = open = { form, area, key: $('[data-secret]', form) || 'passing' in form.dataset ? null : 'draft ' + form.dataset.edit, saved: area.value }
  restore(mine)
  area.addEventListener('input', () => changed(mine))
  const { edit, insertFiles } = await import('./editor.js')
  if (open !== mine || !area.isConnected) return
  mine.view = edit(area, nonce, { changed: () => changed(mine), complete: completions, describe: (text, position) => ask('/ui/hover', { text, position }), check: (text) => ask('/ui/lint', { text }) })
  const files = $('input[type=file]', form)
  if (files) files.onchange = () => { insertFiles(mine.view, files.files); files.value = '' }
  if (!$('[data-testid="review"]', form) && !('passing' in form.dataset)) mine.view.focus()
}

// Who writes another value for a conflict has chosen it.
document.addEventListener('input', (e) => {
  if (e.target.matches?.('[data-chooses]')) $('input', e.target.parentNode).checked = true
})

// A draft is offered again after a reload, a crash or a lost session.
function restore(o) {
  const draft = o.key && localStorage.getItem(o.key)
  if (!draft) return
  const { text, version } = JSON.parse(draft)
  const fresh = !$('[data-testid="review"]', o.form) && !$('.fault', o.form) && !$('.banner', o.form)
  if (!fresh || text === o.area.value) return
  o.area.value = text
  const p = document.createElement('p')
  p.className = 'banner'
  p.setAttribute('role', 'status')
  p.append(msg('This is the draft that you left here.'), ' ')
  const b = document.createElement('button')
  b.type = 'button'
  b.textContent = msg('Drop it')
  b.onclick = () => { forget(); location.reload() }
  p.append(b)
  $('header', o.form).after(p)
  const v = o.form.elements.version
  if (v && version && v.value !== version && o.form.elements.base) {
    // The draft began with an older state; the server merges by it.
    const stored = JSON.parse(draft)
    o.form.elements.base.value = stored.base
    v.value = version
  }
}

let timer = 0
function changed(o) {
  o.dirty = o.area.value !== o.saved && !('passing' in o.form.dataset) // that is for trying only
  clearTimeout(timer)
  if (!o.key) return
  timer = setTimeout(keep, 300)
}

// keep writes the draft down.
function keep() {
  clearTimeout(timer)
  if (!open?.dirty || !open.key) return
  const draft = { text: open.area.value, version: open.form.elements.version?.value, base: open.form.elements.base?.value }
  try { localStorage.setItem(open.key, JSON.stringify(draft)) } catch { /* the disk is full: the text is still on the screen */ }
}

addEventListener('pagehide', keep)

/** forget drops the draft of the open form. */
export function forget() {
  if (!open) return
  clearTimeout(timer)
  if (open.key) localStorage.removeItem(open.key)
  open.dirty = false
}

/** unsaved tells whether there is text that is not saved. */
export const unsaved = () => Boolean(open?.dirty && open.form.isConnected)

/** leaves asks before unsaved text is left. */
export const leaves = () => !unsaved() || confirm(msg('Leave without saving? The draft is kept.'))

addEventListener('beforeunload', (e) => { if (unsaved() && !open.key) e.preventDefault() })

document.addEventListener('keydown', (e) => {
  if ((e.ctrlKey || e.metaKey) && e.key === 's' && open?.form.isConnected) {
    e.preventDefault()
    $('[data-save]', open.form).click()
  } else if (e.key === 'Escape' && e.target.closest?.('.cm-editor') && !$('.cm-panel, .cm-tooltip', open?.form ?? document)) {
    $$('button, a', open.form)[0]?.focus()
  }
})

async function completions(text, position, context) {
  const list = await ask('/ui/complete', { text, position })
  return context.aborted ? [] : list
}

// ask asks the server about the text.
async function ask(address, fields) {
  const body = new URLSearchParams({ form: open.form.elements.form.value, ...fields })
  const answer = await fetch(address, { method: 'POST', body, headers: { 'X-Pilothouse': 'editor' } })
  if (!answer.ok) throw new Error(answer.statusText)
  return answer.json()
}
