// A shell in a container. The command runs on the server's side of a websocket;
// when that is lost it goes on there, and the terminal finds it again.
import './shared.js'
import { FitAddon } from '@xterm/addon-fit'
import { SearchAddon } from '@xterm/addon-search'
import { Unicode11Addon } from '@xterm/addon-unicode11'
import { WebLinksAddon } from '@xterm/addon-web-links'
import style from '@xterm/xterm/css/xterm.css'
import { Terminal } from '@xterm/xterm'
import { copy } from './clipboard.js'
import { $, say } from './html.js'
import { language, msg } from './messages.js'
import { answering, pulse } from './pulse.js'
import { resizeByKey, textSize } from './size.js'

// Before the page's own styles, which change some of it.
document.head.prepend(Object.assign(document.createElement('style'), { nonce: $('script[type=module]')?.nonce ?? '', textContent: style }))

const ackEvery = 32 << 10
const pasteChunk = 16 << 10
const mostTyped = 8 << 20 // bytes of which it is not known that they arrived

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// theme is that of the page.
function theme() {
  const t = { background: css('--side'), foreground: css('--text'), cursor: css('--accent'), cursorAccent: css('--side'), selectionBackground: css('--flash') }
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
  names.forEach((n, i) => {
    t[n] = css(`--t${i}`)
    t['bright' + n[0].toUpperCase() + n.slice(1)] = css(`--t${i + 8}`)
  })
  return t
}

/** Shell is one terminal in host. target is { ns, pod, container, attach, await,
 * id }; changed() is called when its state has. */
export class Shell {
  constructor(host, target, changed) {
    this.host = host
    this.target = target
    this.changed = changed
    this.state = 'connecting'
    this.received = -1
    this.acked = 0
    this.page = Math.random().toString(36).slice(2)
    this.untype()
    this.attempts = 0
    this.term = new Terminal({
      allowProposedApi: true, cursorBlink: false, fontFamily: css('--mono'), fontSize: textSize() + 1, lineHeight: 1.15, scrollback: 10_000,
      theme: theme(), minimumContrastRatio: 4.5, macOptionIsMeta: true, rightClickSelectsWord: false,
    })
    this.fitting = new FitAddon()
    this.searching = new SearchAddon()
    this.term.loadAddon(this.fitting)
    this.term.loadAddon(this.searching)
    this.term.loadAddon(new WebLinksAddon((e, uri) => { if (/^https?:/.test(uri)) open(uri, '_blank', 'noopener,noreferrer') }))
    this.term.loadAddon(new Unicode11Addon())
    this.term.unicode.activeVersion = '11'
    this.term.open(host)
    this.term.textarea.setAttribute('aria-label', msg('Shell in {pod}. Shift Escape leaves it.', { pod: target.pod }))
    this.term.attachCustomKeyEventHandler((e) => this.key(e))
    this.term.onData((s) => this.type(new TextEncoder().encode(s)))
    this.term.onBinary((s) => this.type(Uint8Array.from(s, (c) => c.charCodeAt(0))))
    this.term.onResize(({ cols, rows }) => this.send({ size: [cols, rows] }))
    this.size = new ResizeObserver(() => this.fit())
    this.size.observe(host)
    this.look = new MutationObserver(() => { this.term.options.theme = theme() })
    this.look.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    this.onwake = () => { if (!document.hidden) this.wake() }
    addEventListener('online', this.onwake)
    document.addEventListener('visibilitychange', this.onwake)
    this.onresumed = () => { if (this.state === 'out') { this.attempts = 0; this.set('connecting'); this.connect() } }
    document.addEventListener('session-resumed', this.onresumed)
    this.onoffline = () => this.drop()
    addEventListener('offline', this.onoffline)
    this.onsize = () => { this.term.options.fontSize = textSize() + 1; this.fit() }
    document.addEventListener('text-size', this.onsize)
    this.pulse = pulse(() => this.ask(), () => this.drop())
    this.fit()
    this.connect()
  }

  fit() {
    if (!this.host.offsetParent || !this.host.clientHeight) return
    this.fitting.fit()
  }

  focus() { this.term.focus() }

  set(state, text = '') {
    this.state = state
    this.text = text
    this.changed()
  }

  connect() {
    clearTimeout(this.retrying)
    const q = new URLSearchParams({ language, page: this.page })
    for (const [k, v] of Object.entries(this.target)) if (v) q.set(k, v)
    if (this.target.id) q.set('offset', String(this.received))
    const s = this.socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ui/terminal?${q}`)
    s.binaryType = 'arraybuffer'
    this.pulse.expect()
    s.onmessage = (e) => {
      if (this.socket !== s) return
      this.pulse.heard()
      if (typeof e.data === 'string') this.told(JSON.parse(e.data))
      else this.write(new Uint8Array(e.data))
    }
    s.onclose = (e) => { if (this.socket === s) this.lost(e.code) }
  }

  told(m) {
    if (m.id) {
      if (m.offset !== this.received) this.term.reset()
      if (m.offset > this.received && this.received >= 0) this.note(msg('Some of what was written meanwhile is not kept any more.'))
      this.target.id = m.id
      this.target.container ??= m.container
      this.received = this.acked = this.written = m.offset
      this.attempts = 0
      this.set('open')
      this.send({ size: [this.term.cols, this.term.rows], ack: m.offset })
      this.retype(m)
    }
    if (m.pong) this.arrived(m.typed)
    if (m.ended?.other) {
      const socket = this.socket
      this.socket = null
      socket?.close()
      this.note(m.ended.message, 33)
      this.note(msg('Enter looks again.'))
      return this.set('taken', msg('elsewhere'))
    }
    if (m.ended) this.end(m.ended)
  }

  write(bytes) {
    this.received += bytes.length
    this.term.write(bytes, () => {
      this.written += bytes.length
      if (this.written - this.acked >= ackEvery) this.ack()
      else this.acking ||= setTimeout(() => this.ack(), 200)
    })
  }

  // ack tells how much is on the screen: more comes only then.
  ack() {
    clearTimeout(this.acking)
    this.acking = 0
    if (this.written === this.acked) return
    this.acked = this.written
    this.send({ ack: this.acked })
  }

  send(m) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(m))
  }

  type(bytes) {
    if (this.state === 'ended' || this.state === 'taken') {
      if (bytes.length === 1 && bytes[0] === 13) this.again()
      return
    }
    if (this.state === 'out') return
    if (this.unsure + bytes.length > mostTyped) return this.note(msg('What you typed was not sent: too much of it waits already.'), 31)
    for (let i = 0; i < bytes.length; i += pasteChunk) this.pass(bytes.subarray(i, i + pasteChunk))
    if (this.unsure > ackEvery) this.pulse.beat()
  }

  // pass keeps what is typed until the server says that it arrived.
  pass(piece) {
    this.typed.push(piece)
    this.unsure += piece.length
    if (this.state === 'open' && this.socket?.readyState === WebSocket.OPEN) this.socket.send(piece)
  }

  // arrived forgets what was typed up to the byte n of the terminal's.
  arrived(n) {
    while (this.typed.length && n > this.entered) {
      const piece = this.typed.shift()
      const some = Math.min(piece.length, n - this.entered)
      this.entered += some
      this.unsure -= some
      if (some < piece.length) this.typed.unshift(piece.subarray(some))
    }
  }

  // retype sends again what was typed into a connection that had no other end.
  retype(m) {
    if (this.entered >= 0) m.same ? this.arrived(m.typed) : this.untype()
    this.entered = m.typed
    for (const piece of this.typed) this.socket.send(piece)
  }

  // untype forgets what was typed, when it is not for the command that is there now.
  untype() {
    this.typed = []
    this.unsure = 0
    this.entered = -1
  }

  /** again opens a new shell, or takes this one back from another window. */
  again() {
    if (this.state !== 'taken') {
      this.target.id = undefined
      this.received = -1
      this.target.await = undefined
    }
    this.untype()
    this.outcome = null
    this.set('connecting')
    this.connect()
  }

  note(text, colour = 2) { this.term.write(`\r\n\x1b[0;${colour}m${text.replace(/[\x00-\x1f\x7f]+/g, ' ')}\x1b[0m\r\n`) }

  end(o) {
    this.target.id = undefined
    const socket = this.socket
    this.socket = null
    socket?.close()
    this.outcome = o
    if (o.noShell) this.note(msg('There is no shell in this container. A debug container brings one: the button above adds it.'), 33)
    else if (o.code > 0) this.note(msg('Exit code {code}.', { code: String(o.code) }), 33)
    else if (o.code === 0) this.note(msg('The shell has ended (exit code 0).'))
    else this.note(o.message || msg('The shell has ended.'), 31)
    this.note(this.target.attach ? msg('Enter attaches again.') : msg('Enter opens a new one.'))
    say(o.code >= 0 ? msg('Shell ended with exit code {code}', { code: String(o.code) }) : o.message)
    this.set('ended', o.noShell ? msg('no shell') : o.code >= 0 ? msg('exit {code}', { code: String(o.code) }) : msg('failed'))
  }

  // lost finds out why the websocket has gone.
  async lost(code) {
    this.socket = null
    this.pulse.heard()
    if (this.state === 'ended' || this.closed) return
    if (code === 4409) {
      this.note(msg('This shell is shown in another window. Enter takes it back.'))
      return this.set('taken', msg('elsewhere'))
    }
    if (code === 4401) return this.expired()
    this.set('lost', msg('reconnecting'))
    this.retrying = setTimeout(async () => {
      try {
        const r = await fetch('/ui/session', { headers: { 'X-Pilothouse': 'session' }, redirect: 'error', signal: answering() })
        if (r.status === 401) return this.expired()
        if (!this.closed && this.state === 'lost') this.connect()
      } catch {
        this.lost(0)
      }
    }, Math.min(250 * 1.7 ** this.attempts++, 3000))
  }

  // expired waits for a new login, after which the shell is there still unless the
  // session was ended on purpose.
  expired() {
    this.note(msg('Your session has ended. Log in again to go on.'), 31)
    this.set('out', msg('logged out'))
    document.dispatchEvent(new CustomEvent('session-ended'))
  }

  // ask asks for a sign of life; without one the connection is given up.
  ask() {
    if (this.socket?.readyState !== WebSocket.OPEN) return false
    this.send({ ping: true })
    return true
  }

  // wake is told that the network may be there again, or somebody who looks.
  wake() {
    if (this.state === 'lost' && !this.socket) { clearTimeout(this.retrying); this.attempts = 0; this.lost(0) } else this.pulse.beat()
  }

  drop() {
    const s = this.socket
    if (!s) return
    this.socket = null
    s.close()
    this.lost(0)
  }

  // key decides what is the page's and what the shell's.
  key(e) {
    if (e.type !== 'keydown') return true
    if (e.key === 'Escape' && e.shiftKey) {
      e.preventDefault()
      this.leave?.()
      return false
    }
    const mod = e.ctrlKey || e.metaKey
    if (mod && !e.altKey && e.key.toLowerCase() === 'c' && this.term.hasSelection()) {
      e.preventDefault()
      this.copy()
      return false
    }
    if (mod && e.shiftKey && e.key.toLowerCase() === 'f') {
      e.preventDefault()
      this.find?.()
      return false
    }
    if (resizeByKey(e)) return false
    // Pasting is the browser's: it gives the text to the terminal's field.
    if (mod && e.key.toLowerCase() === 'v') return false
    return !(e.ctrlKey && e.key === '`')
  }

  async copy() {
    await copy(this.term.getSelection())
    this.term.clearSelection()
  }

  search(text, back) {
    const o = { decorations: { matchBackground: '#7a6000', activeMatchBackground: '#b58900', matchOverviewRuler: '#b58900', activeMatchColorOverviewRuler: '#b58900' } }
    return back ? this.searching.findPrevious(text, o) : this.searching.findNext(text, o)
  }

  /** close ends the command, or leaves it to another window. */
  close(leave) {
    this.closed = true
    if (!leave) this.send({ close: true })
    this.pulse.stop()
    clearTimeout(this.retrying)
    clearTimeout(this.acking)
    removeEventListener('online', this.onwake)
    removeEventListener('offline', this.onoffline)
    document.removeEventListener('visibilitychange', this.onwake)
    document.removeEventListener('text-size', this.onsize)
    document.removeEventListener('session-resumed', this.onresumed)
    this.size.disconnect()
    this.look.disconnect()
    const s = this.socket
    this.socket = null
    s?.close()
    this.term.dispose()
  }
}
