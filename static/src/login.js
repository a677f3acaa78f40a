// When the session has ended one logs in again here: the page, its text, its place
// and what runs in it stay. One may log in by all that the login page offers; a
// provider is visited in another window, and a login in another one counts too.
import { $, $$, fragment, page, safe } from './html.js'
import { msg } from './messages.js'
import { resume } from './socket.js'

const lookEvery = 1000

document.addEventListener('session-ended', open)

// What an address has after its # gets lost on the way over a login.
for (const i of $$('form[action="/login"] input[name=next]')) i.value += location.hash
for (const a of $$('a[href^="/login/oidc?"]')) {
  const u = new URL(a.href)
  u.searchParams.set('next', u.searchParams.get('next') + location.hash)
  a.href = u
}
const ask = (address, options = {}) => fetch(address, { ...options, headers: { 'X-Pilothouse': 'login' } }).catch(() => null)

function open() {
  if ($('#login')) return
  const d = fragment(`<dialog id="login" aria-labelledby="login-title"><form class="relogin" action="/login"><h2 id="login-title">${safe(msg('Your session has ended'))}</h2>
    <p class="dim">${safe(msg('Log in again; what is on this page stays.'))}</p><p class="acts ways"></p><label for="again">${safe(msg('Bearer token'))}</label>
    <textarea id="again" name="token" rows="4" autocomplete="off" spellcheck="false" required></textarea><p class="problem" role="alert" hidden></p>
    <p class="acts"><button class="primary">${safe(msg('Log in'))}</button> <a class="button" data-plain>${safe(msg('Log in on another page'))}</a></p></form></dialog>`).firstChild
  $('a', d).href = '/login?next=' + encodeURIComponent(location.pathname + location.search + location.hash)
  document.body.append(d)
  $('form', d).addEventListener('submit', (e) => { e.preventDefault(); e.stopPropagation(); send(d, { token: $('textarea', d).value }) })
  const looking = setInterval(() => { if (!document.hidden) look(d) }, lookEvery)
  d.addEventListener('close', () => { clearInterval(looking); d.remove() })
  d.showModal()
  ways(d)
}

// ways offers the providers and the certificate that the login page has.
async function ways(d) {
  const answer = await ask('/login')
  if (!answer?.ok) return
  const doc = page(await answer.text())
  for (const a of $$('.login a[href^="/login/oidc"]', doc)) {
    const u = new URL(a.getAttribute('href'), location)
    u.searchParams.set('next', '/ui/whoami')
    const way = document.createElement('a')
    way.className = 'button primary'
    way.textContent = a.textContent
    way.href = u.pathname + u.search
    way.target = '_blank'
    way.rel = 'noopener'
    $('.ways', d).append(way)
  }
  const certificate = $('button[name=certificate]', doc)
  if (!certificate) return
  const way = document.createElement('button')
  way.type = 'button'
  way.textContent = certificate.textContent
  way.onclick = () => send(d, { certificate: '1' })
  $('.ways', d).append(way)
}

// send logs in, and says why not.
async function send(d, credential) {
  const problem = $('.problem', d)
  problem.hidden = true
  const answer = await ask('/login', { method: 'POST', body: new URLSearchParams({ ...credential, next: '/ui/whoami' }) })
  if (answer?.ok) return back(d, page(await answer.text()))
  problem.textContent = answer ? $('[data-testid=problem]', page(await answer.text()))?.textContent ?? msg('The server refused.') : msg('The server does not answer.')
  problem.hidden = false
}

// look finds a login in another window.
async function look(d) {
  const answer = await ask('/ui/session', { redirect: 'error' })
  if (!answer?.ok || d.going) return
  d.going = true
  const who = await ask('/ui/whoami')
  if (who?.ok) await back(d, page(await who.text()))
  d.going = false
}

const user = (doc) => $('.who', doc)?.textContent

function over() {
  document.dispatchEvent(new CustomEvent('handed-over'))
  location.reload()
}

// back goes on in the new session; doc is a page of it. Somebody else does not
// get what is on this page.
async function back(d, doc) {
  if (!d.isConnected) return
  if (user(doc) !== user(document)) return over()
  const token = $('script[data-form]', doc)?.dataset.form
  const [was, is] = [$('.banner.as'), $('.banner.as', doc)].map((b) => b && [b.dataset.as, b.dataset.groups])
  if (String(was) !== String(is)) {
    const as = new URLSearchParams({ form: token, user: was?.[0] ?? '', groups: was?.[1] ?? '' })
    const answer = await ask('/ui/as', { method: 'POST', body: as })
    if (!answer?.ok) return over()
  }
  // Forms carry a token of the session, which is another one now.
  for (const i of $$('input[name=form]')) i.value = token
  $('script[data-form]').dataset.form = token
  d.close()
  resume()
  document.dispatchEvent(new CustomEvent('session-resumed'))
}
