// When the session has ended one logs in again here: the page, its text and its
// place stay.
import { $, $$, fragment, page, safe } from './html.js'
import { msg } from './messages.js'
import { resume } from './socket.js'

document.addEventListener('session-ended', open)

// What an address has after its # gets lost on the way over a login.
for (const i of $$('form[action="/login"] input[name=next]')) i.value += location.hash
for (const a of $$('a[href^="/login/oidc?"]')) {
  const u = new URL(a.href)
  u.searchParams.set('next', u.searchParams.get('next') + location.hash)
  a.href = u
}

function open() {
  if ($('#login')) return
  const d = fragment(`<dialog id="login" aria-labelledby="login-title"><form class="relogin" action="/login"><h2 id="login-title">${safe(msg('Your session has ended'))}</h2>
    <p class="dim">${safe(msg('Log in again; what is on this page stays.'))}</p><label for="again">${safe(msg('Bearer token'))}</label>
    <textarea id="again" name="token" rows="4" autocomplete="off" spellcheck="false" required></textarea><p class="problem" role="alert" hidden></p>
    <p class="acts"><button class="primary">${safe(msg('Log in'))}</button> <a class="button" data-plain>${safe(msg('Log in on another page'))}</a></p></form></dialog>`).firstChild
  $('a', d).href = '/login?next=' + encodeURIComponent(location.pathname + location.search + location.hash)
  document.body.append(d)
  $('form', d).addEventListener('submit', (e) => { e.preventDefault(); e.stopPropagation(); again(d) })
  d.addEventListener('close', () => d.remove())
  d.showModal()
}

async function again(d) {
  const problem = $('.problem', d)
  problem.hidden = true
  const answer = await fetch('/login', { method: 'POST', body: new URLSearchParams({ token: $('textarea', d).value, next: '/ui/whoami' }), headers: { 'X-Pilothouse': 'login' } }).catch(() => null)
  if (!answer?.ok) {
    problem.textContent = answer ? $('[data-testid=problem]', page(await answer.text()))?.textContent ?? msg('The server refused.') : msg('The server does not answer.')
    problem.hidden = false
    return
  }
  // Forms carry a token of the session, which is another one now.
  const token = $('script[data-form]', page(await answer.text()))?.dataset.form
  for (const i of $$('input[name=form]')) i.value = token
  $('script[data-form]').dataset.form = token
  d.close()
  resume()
}
