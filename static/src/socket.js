// The one websocket of this tab. Live parts of the page subscribe; when the
// connection is lost it is made again, and every part says anew what it has.
import { $, say } from './html.js'
import { clock, language, msg } from './messages.js'
import { answering, pulse } from './pulse.js'

const subs = new Map() // id -> { ask, got }
let socket = null
let next = 1
let attempts = 0
let timer = 0
let paused = false
let since = new Date()
let loaded = since // when what is no live part was
let ended = false
const troubles = new Map() // id -> why a part is not live

/** subscribe opens a live part. ask() gives the request, got(message) takes what
 * comes. It gives what ends the part, moves its window or asks anew. */
export function subscribe(ask, got) {
  const id = next++
  subs.set(id, { ask, got })
  connect()
  send({ do: 'open', id, ...ask() })
  show()
  return {
    close() {
      subs.delete(id)
      troubles.delete(id)
      send({ do: 'close', id })
      show()
    },
    move(window) { return send({ do: 'move', id, ...window }) },
    reopen() { send({ do: 'open', id, ...ask() }) },
  }
}

function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false
  socket.send(JSON.stringify(message))
  return true
}

function connect() {
  if (socket || paused || ended || !subs.size) return
  clearTimeout(timer)
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ui/live?language=${language}`)
  const mine = socket
  life.expect() // it answers by opening
  mine.onopen = () => {
    attempts = 0
    life.heard()
    for (const [id, s] of subs) send({ do: 'open', id, ...s.ask() })
    show()
  }
  mine.onmessage = (e) => {
    since = new Date()
    life.heard()
    const m = JSON.parse(e.data)
    if (m.state) {
      if (m.state.live) troubles.delete(m.id)
      else troubles.set(m.id, m.state)
      show()
    }
    subs.get(m.id)?.got(m)
  }
  mine.onclose = (e) => {
    if (socket !== mine) return
    leave()
    if (e.code === 4401) return expired()
    if (e.code === 4410) document.dispatchEvent(new CustomEvent('identity'))
    again()
    show()
  }
}

const life = pulse(() => send({ do: 'ping' }), lose)

// leave has nothing more to do with the connection; closing it would wait for the
// other end.
function leave() {
  const s = socket
  socket = null
  life.heard()
  s?.close()
}

function lose() {
  leave()
  again()
  show()
}

function again() {
  if (paused || !subs.size) return
  attempts++
  clearTimeout(timer)
  timer = setTimeout(retry, Math.min(250 * 1.7 ** (attempts - 1), 3000) * (0.8 + Math.random() * 0.4))
}

// retry asks first whether the session is still there: a websocket cannot tell.
async function retry() {
  try {
    const r = await fetch('/ui/session', { headers: { 'X-Pilothouse': 'session' }, redirect: 'error', signal: answering() })
    if (r.status === 401) return expired()
    if (!r.ok) throw new Error(r.statusText)
    connect()
  } catch {
    again()
  }
  show()
}

function expired() {
  ended = true
  show()
  document.dispatchEvent(new CustomEvent('session-ended'))
}

/** resume goes on after a new login in another form. */
export function resume() {
  ended = false
  attempts = 0
  connect()
  show()
}

/** show puts the state into the indicator, at its one fixed place. */
function show() {
  const el = $('#live')
  if (!el) return
  el.hidden = false
  const trouble = [...troubles.values()][0]
  let state = 'live', text = msg('live')
  if (ended) [state, text] = ['off', msg('logged out')]
  else if (!subs.size) [state, text] = ['still', msg('as of {time}', { time: clock(loaded) })]
  else if (paused) [state, text] = ['paused', msg('paused at {time}', { time: clock(since) })]
  else if (socket?.readyState !== WebSocket.OPEN) {
    if (attempts) [state, text] = ['lost', msg('reconnecting, data from {time}', { time: clock(since) })]
    else [state, text] = ['wait', msg('connecting')]
  } else if (trouble) [state, text] = ['lost', msg('stale since {time}: {why}', { time: clock(new Date(trouble.since)), why: trouble.why })]
  if (el.dataset.state === state && el.lastElementChild.textContent === text) return
  if (state !== 'wait' && state !== 'still' && el.dataset.state !== state && !(state === 'live' && el.dataset.state !== 'lost')) say(text)
  el.dataset.state = state
  el.lastElementChild.textContent = text
  if (state === 'still') el.removeAttribute('aria-pressed')
  else el.setAttribute('aria-pressed', String(paused))
  el.title = state === 'still' ? msg('Load again') : state === 'paused' ? msg('Go on (p)') : msg('Pause (p)')
}

/** toggle pauses the live parts, or goes on. */
export function toggle() {
  if (ended) return expired()
  if (!subs.size) return document.dispatchEvent(new CustomEvent('again'))
  paused = !paused
  if (paused) {
    clearTimeout(timer)
    leave()
  } else {
    attempts = 0
    connect()
  }
  show()
}

// A page without live parts is as old as when it came.
document.addEventListener('page', () => { loaded = new Date(); show() })

addEventListener('online', () => { if (!socket && attempts) { attempts = 0; clearTimeout(timer); retry() } })
addEventListener('offline', () => { if (socket) lose() })

// A tab that nobody sees asks for nothing after half a minute.
let hidden = 0
document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden)
  if (document.hidden) {
    hidden = setTimeout(() => { clearTimeout(timer); leave() }, 30_000)
  } else if (!socket) {
    connect()
    show()
  }
})
