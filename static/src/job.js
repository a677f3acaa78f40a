// Work that goes on on the server, as it goes on.
import { $, say } from './html.js'
import { msg } from './messages.js'
import { subscribe } from './socket.js'

let sub = null

const tell = (job) => (job.failed
  ? job.running ? msg('{done} of {total}, {failed} failed', job) : msg('{done} of {total}, {failed} failed, done', job)
  : job.running ? msg('{done} of {total}', job) : msg('{done} of {total}, done', job))

const states = { w: ['', '', msg('not begun')], r: ['warn', '▲', msg('in progress')], d: ['good', '●', msg('done')], f: ['bad', '✖', msg('failed')] }

// show puts the state of an object into its cell.
function show(cell, state) {
  if (!cell) return
  const [tone, glyph, text] = states[state]
  const span = document.createElement('span')
  span.className = `tone ${tone}`
  const i = document.createElement('i')
  i.ariaHidden = 'true'
  i.textContent = glyph
  span.append(i, text)
  cell.replaceChildren(tone ? span : text)
}

/** start follows the work that a page shows; again() makes the page anew. */
export function start(root, again) {
  sub?.close()
  sub = null
  const el = $('[data-job]', root)
  if (!el) return
  let was = el.dataset.state
  sub = subscribe(() => ({ kind: 'job', url: el.dataset.job, from: 0, size: 1 }), ({ job }) => {
    if (!job) return
    $('progress', el).value = job.done
    for (const [index, state] of job.items) show($(`[data-item="${index}"]`, el)?.cells[1], state)
    if (job.running && !job.held && !el.querySelector('[data-countdown]')) $('[data-job-text]', el).textContent = tell(job)
    const state = `${job.held} ${job.running}`
    if (was !== state) {
      if (!job.running) say(tell(job))
      again()
    }
    was = state
  })
}
