// Work that goes on on the server, as it goes on.
import './shared.js'
import { $, say } from './html.js'
import { msg } from './messages.js'
import { subscribe } from './socket.js'

let sub = null

const tell = (job) => (job.failed
  ? job.running ? msg('{done} of {total}, {failed} failed', job) : msg('{done} of {total}, {failed} failed, done', job)
  : job.running ? msg('{done} of {total}', job) : msg('{done} of {total}, done', job))

const states = { w: ['', '', msg('not begun')], r: ['warn', '▲', msg('in progress')], d: ['good', '●', msg('done')], f: ['bad', '✖', msg('failed')] }

// show puts the state of an object into its row, and what there is to say of it.
function show(row, state, why, word) {
  if (!row) return
  const [tone, glyph, text] = states[state]
  const span = document.createElement('span')
  span.className = `tone ${tone}`
  const i = document.createElement('i')
  i.ariaHidden = 'true'
  i.textContent = glyph
  span.append(i, word || text)
  $('[data-s]', row).replaceChildren(tone ? span : text)
  $('[data-why]', row).textContent = why
}

document.addEventListener('page', () => {
  sub?.close()
  sub = null
})

/** start follows the work of el; again() makes the page anew. */
export function start(el, again) {
  sub?.close()
  let was = el.dataset.state
  sub = subscribe(() => ({ kind: 'job', url: el.dataset.job, from: 0, size: 1 }), ({ job }) => {
    if (!job) return
    $('progress', el).value = job.done
    for (const [index, ...is] of job.items) show($(`[data-item="${index}"]`, el), ...is)
    if (job.running && !job.held && !el.querySelector('[data-countdown]')) $('[data-job-text]', el).textContent = tell(job)
    const state = `${job.held} ${job.running}`
    if (was !== state) {
      if (!job.running) say(tell(job))
      again()
    }
    was = state
  })
}
