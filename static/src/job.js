// Work that goes on on the server, as it goes on.
import { $, say } from './html.js'
import { msg } from './messages.js'
import { subscribe } from './socket.js'

let sub = null

const tell = (job) => (job.failed
  ? job.running ? msg('{done} of {total}, {failed} failed', job) : msg('{done} of {total}, {failed} failed, done', job)
  : job.running ? msg('{done} of {total}', job) : msg('{done} of {total}, done', job))

/** start follows the work that a page shows; again() makes the page anew. */
export function start(root, again) {
  sub?.close()
  sub = null
  const el = $('[data-job]', root)
  if (!el) return
  let running = null
  sub = subscribe(() => ({ kind: 'job', url: el.dataset.job, from: 0, size: 1 }), ({ job }) => {
    if (!job) return
    $('progress', el).value = job.done
    $('[data-job-text]', el).textContent = tell(job)
    if (running && !job.running) {
      say($('[data-job-text]', el).textContent)
      again()
    }
    running = job.running
  })
}
