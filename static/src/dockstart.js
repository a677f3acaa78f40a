// What the dock needs of every page; the dock itself is loaded when something is
// in it.
import { $, say } from './html.js'
import { msg } from './messages.js'

const dock = () => import('./dock.js')

// What is typed before a shell's terminal is there waits in this field.
const early = document.createElement('textarea')
early.className = 'vh'
let holds = 0

/** hold takes what is typed from now on for the shell that comes, until that has
 * asked for it or what it gives is called. */
export function hold() {
  const mine = ++holds
  early.ariaLabel = msg('Shell')
  document.body.append(early)
  early.focus({ preventScroll: true })
  return () => { if (mine === holds) held() }
}

/** held gives what was typed meanwhile; from now on it is the terminal's. */
export function held() {
  const { value } = early
  early.value = ''
  early.remove()
  return value
}

/** openDock opens in the dock what a link leads to. */
export function openDock(a) {
  const over = a.dataset.dock === 'logs' ? null : hold()
  return dock().then((m) => m.openFrom(a)).finally(over)
}

/** toggleDock makes the dock small or shows it. */
export const toggleDock = () => dock().then((m) => m.toggle())

/** startLogs brings the logs below root to life. */
export function startLogs(root) {
  if ($('[data-logs]', root) || startLogs.begun) {
    startLogs.begun = true
    import('./logs.js').then((m) => m.start(root))
  }
}

/** addDebug adds a debug container to a pod and attaches to it; body is the form
 * of /ui/debug. It gives why it could not. */
export async function addDebug(body) {
  const answer = await fetch('/ui/debug', { method: 'POST', body, headers: { 'X-Pilothouse': 'debug' } }).catch(() => null)
  if (answer?.status === 401) return document.dispatchEvent(new CustomEvent('session-ended')) && ''
  const m = await answer?.json().catch(() => null)
  if (!m?.container) return m?.problem ?? msg('The server does not answer.')
  say(msg('Added {container}.', { container: m.container }))
  const [ns, pod] = [body.get('ns'), body.get('pod')]
  const { open } = await dock()
  open({ kind: 'shell', title: pod, hint: m.container, target: { ns, pod, container: m.container, attach: '1', await: '1' } })
  return ''
}

// A debug container is added without leaving the page.
document.addEventListener('submit', async (e) => {
  const f = e.target.closest?.('[data-debug]')
  if (!f) return
  e.preventDefault()
  e.stopImmediatePropagation()
  const problem = $('.problem', f)
  problem.textContent = await addDebug(new URLSearchParams(new FormData(f)))
  problem.hidden = !problem.textContent
}, true)

if ($('#dock')) {
  try {
    if (JSON.parse(sessionStorage.getItem('dock'))?.tabs?.length) dock().then((m) => m.restore())
  } catch { /* nothing was open */ }
}
