// Forms that are sent without leaving the page, the editor over their text, and
// drafts, so that nothing that was typed is lost.
import * as drafts from './drafts.js'
import { $, $$ } from './html.js'
import { msg } from './messages.js'

const nonce = $('script[type=module]')?.nonce ?? ''
let open = null // { form, area, view, place, sealed, saved }

/** start puts the editor over the form of the page. */
export async function start(root) {
  keep()
  open?.view?.destroy()
  open = null
  const form = $('form[data-edit]', root)
  const area = form && $('[data-editor] textarea', form)
  if (!area) return
  const mine = open = { form, area, place: 'passing' in form.dataset ? null : form.dataset.edit, sealed: !!$('[data-sealed]', form), saved: area.value }
  if (mine.sealed) drafts.ready().catch(() => {}) // a draft is kept only with it
  if ('applied' in form.dataset && (await drafts.read(mine.place))?.text === area.value) drafts.drop(mine.place)
  await restore(mine)
  if (open !== mine) return
  area.addEventListener('input', () => changed(mine))
  const { edit, insertFiles } = await import('./editor.js').catch((e) => { area.className = ''; throw e })
  if (open !== mine || !area.isConnected) return
  mine.view = edit(area, nonce, { changed: () => changed(mine), complete: completions, describe: (text, position) => ask('/ui/hover', { text, position }), check: (text) => ask('/ui/lint', { text }) })
  const files = $('input[type=file]', form)
  if (files) files.onchange = () => { insertFiles(mine.view, files.files); files.value = '' }
  if (!$('[data-testid="review"]', form) && !('passing' in form.dataset)) mine.view.focus()
}

// Who writes another value for a conflict has chosen it.
document.addEventListener('input', (e) => {
  if (e.target.matches?.('[data-chooses]')) $('input', e.target.closest('.another')).checked = true
})

// A draft is offered again after a reload, a crash or a lost session.
async function restore(o) {
  const fresh = !$('[data-testid="review"], [data-testid="documents"], .fault, .banner', o.form)
  const draft = fresh && o.place && await drafts.read(o.place)
  if (!draft || draft.text === o.area.value || open !== o) return
  const { text, version, base } = draft
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
    o.form.elements.base.value = base
    v.value = version
  }
}

let timer = 0
function changed(o) {
  o.dirty = o.area.value !== o.saved && !('passing' in o.form.dataset) // that is for trying only
  clearTimeout(timer)
  if (!o.place) return
  timer = setTimeout(keep, 300)
}

// keep writes the draft down.
function keep() {
  clearTimeout(timer)
  if (!open?.dirty || !open.place) return
  drafts.write(open.place, { text: open.area.value, version: open.form.elements.version?.value, base: open.form.elements.base?.value }, open.sealed)
}

addEventListener('pagehide', keep)

// Somebody else goes on here: the text is kept for whose it is.
document.addEventListener('handed-over', () => {
  keep()
  if (open) open.dirty = false
})

/** forget drops the draft of the open form. */
export function forget() {
  if (!open) return
  clearTimeout(timer)
  if (open.place) drafts.drop(open.place)
  open.dirty = false
}

/** unsaved tells whether there is text that is not saved. */
export const unsaved = () => Boolean(open?.dirty && open.form.isConnected)

/** leaves asks before unsaved text is left. */
export const leaves = () => !unsaved() || confirm(msg('Leave without saving? The draft is kept.'))

addEventListener('beforeunload', (e) => {
  if (!unsaved()) return
  keep()
  e.preventDefault()
})

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
