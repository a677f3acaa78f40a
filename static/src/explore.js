// What an operation of the API explorer can be about is offered from what there
// is in the namespace that was typed.
import { $ } from './html.js'

/** start completes the names of the form that tries an operation, and shows all of
 * a large answer. */
export function start(root) {
  const answer = $('[data-answer^="/"]', root)
  if (answer) import('./answer.js').then((m) => m.start(answer))
  if ($('.tried', root)) $('[data-testid=try] .acts', root)?.scrollIntoView() // what came of it is below
  names(root)
}

function names(root) {
  const list = $('datalist[data-live]', root)
  const form = list?.closest('form')
  if (!form) return
  const namespace = form.elements['p.namespace']
  let shown = namespace?.value
  const load = async () => {
    if (namespace?.value === shown) return
    shown = namespace?.value
    const q = new URLSearchParams({ 'p.namespace': shown ?? '' })
    for (const name of ['gv', 'method', 'path']) q.set(name, form.elements[name].value)
    const answer = await fetch('/ui/explore/names?' + q, { headers: { 'X-Pilothouse': 'names' } }).catch(() => null)
    if (!answer?.ok || namespace?.value !== shown) return
    list.replaceChildren(...(await answer.json()).map((name) => { const o = document.createElement('option'); o.value = name; return o }))
  }
  namespace?.addEventListener('change', load)
  form.elements['p.name'].addEventListener('focus', load)
}
