// Work that goes on on the server, as it goes on.
import { $, say } from './html.js'
import { subscribe } from './socket.js'

let sub = null

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
    $('[data-job-text]', el).textContent = `${job.done.toLocaleString('en')} of ${job.total.toLocaleString('en')}` +
      (job.failed ? `, ${job.failed.toLocaleString('en')} failed` : '') + (job.running ? '' : ', done')
    if (running && !job.running) {
      say($('[data-job-text]', el).textContent)
      again()
    }
    running = job.running
  })
}
