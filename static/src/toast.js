// What was done last, with the button that takes it back: for ten seconds, and
// for as long as somebody points at it. And what waits to be deleted: the server
// holds it, this counts down and asks what came of it.
import { $, $$, fragment } from './html.js'
import { msg } from './messages.js'

const box = $('#toasts')
const others = new BroadcastChannel('toasts') // the other tabs of this browser
const askEvery = 400
let shown = null // the id of what is or was told last, of what is told once
let counting = 0
let asking = 0

/** start shows what a page that came says; doc is that page. */
export function start(doc = document) {
  if (!box) return
  const now = $$('#toasts [data-toast]', doc).filter((t) => t.dataset.work || doc === document || t.dataset.toast !== shown)
  const once = now.find((t) => !t.dataset.work)
  if (once) shown = once.dataset.toast
  put(now.map((t) => (doc === document ? t : document.importNode(t, true))), !!once)
  count()
}

// put shows toasts; what is there in the same state stays as it is, and so does
// what was told once, unless there is something newer.
function put(now, once) {
  const had = new Map($$('[data-toast]', box).map((t) => [t.dataset.toast, t]))
  const list = now.map((t) => {
    const was = had.get(t.dataset.toast)
    return was && was.dataset.work === t.dataset.work && !changes(was, t) ? was : t
  })
  if (!once) list.push(...$$('[data-toast]:not([data-work])', box).filter((t) => !list.includes(t)))
  const lost = box.contains(document.activeElement) && !list.some((t) => t.contains(document.activeElement))
  if (list.some((t, i) => t !== box.children[i]) || list.length !== box.children.length) box.replaceChildren(...list)
  for (const t of list) t.until ??= Number(t.dataset.left) ? performance.now() + Number(t.dataset.left) : Infinity
  if (lost) $('#main').focus({ preventScroll: true })
  count()
}

const changes = (was, now) => was.dataset.work === 'running' && $('a', was)?.textContent !== $('a', now)?.textContent

// count counts down what is on the page, takes away what is over, and asks the
// server about what it works on.
function count() {
  clearTimeout(counting)
  const now = performance.now()
  let soonest = Infinity, ask = false
  for (const el of $$('[data-countdown]')) {
    el.until ??= now + Number(el.dataset.countdown)
    const left = Math.max(0, el.until - now)
    const text = msg('{n} s', { n: Math.ceil(left / 1000) })
    if (el.textContent !== text) el.textContent = text
    if (left) soonest = Math.min(soonest, left % 1000 || 1000)
    else if (!el.over) {
      el.over = true
      el.closest('p')?.querySelector('[data-again]')?.click()
    }
  }
  for (const t of $$('[data-toast]', box)) {
    const { work } = t.dataset
    if (work === 'running' || work === 'held' && t.until <= now) ask = true
    else if (work !== 'held' && t.until <= now) {
      if (t.matches(':hover, :focus-within')) soonest = Math.min(soonest, 1000)
      else t.remove()
    } else if (t.until !== Infinity) soonest = Math.min(soonest, t.until - now)
  }
  if (soonest !== Infinity) counting = setTimeout(count, soonest + 5)
  if (ask && !asking) asking = setTimeout(news, askEvery)
}

// news asks what became of what waited.
async function news() {
  try {
    await take(await fetch(`/ui/toasts?on=${encodeURIComponent(location.pathname)}`, { headers: { 'X-Pilothouse': 'toast' } }))
  } catch { /* the server is not there: asked again */ }
  asking = 0
  count()
}

async function take(answer) {
  if (answer.status === 401) return document.dispatchEvent(new CustomEvent('session-ended'))
  if (answer.ok) put($$('[data-toast]', fragment(await answer.text())))
}

others.onmessage = news

/** tell has the other tabs look what there is. */
export const tell = () => others.postMessage('changed')

document.addEventListener('submit', async (e) => {
  const f = e.target
  if (!f.matches('[data-work]')) return
  e.preventDefault()
  const body = new URLSearchParams(new FormData(f, e.submitter))
  body.set('url', location.pathname + location.search)
  const buttons = $$('button', f)
  for (const b of buttons) b.disabled = true
  try {
    await take(await fetch(f.getAttribute('action'), { method: 'POST', body, headers: { 'X-Pilothouse': 'toast' } }))
    tell()
  } catch {
    for (const b of buttons) b.disabled = false // try again
  }
})

/** close takes away what is told once. */
export function close() {
  for (const t of $$('[data-toast]:not([data-work])', box)) t.remove()
}

/** undo is the button that takes back what was done last, or null. */
export const undo = () => $('[data-undo]:enabled', box ?? document) ?? $('#main [data-undo]:enabled')
