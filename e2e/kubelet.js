// A node whose kubelet is a fake in this process: its containers log what a test
// says, and its shell is a few lines of JavaScript that behave like one behind a
// terminal. It speaks what a kubelet does: TLS, container logs, SPDY/3.1.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'

/** Kubelet is the fake. */
export class Kubelet {
  /** start begins one and registers its node. */
  static async start(server, name = 'fake') {
    const k = new Kubelet()
    k.server = server
    k.name = name
    k.containers = new Map() // "NS/POD/CONTAINER" -> container
    k.shells = new Set(['sh']) // commands that are there
    k.open = new Set() // shells that run
    k.sockets = new Set()
    k.requests = []
    const file = (f) => readFileSync(join(server.dir, 'data', 'pki', f))
    k.http = createServer({ cert: file('apiserver.crt'), key: file('apiserver.key') }, (q, r) => k.serve(q, r))
    k.http.on('upgrade', (q, socket) => k.upgrade(q, socket))
    k.http.on('secureConnection', (s) => { k.sockets.add(s); s.on('close', () => k.sockets.delete(s)); s.on('error', () => {}) })
    await new Promise((ok) => k.http.listen(0, '127.0.0.1', ok))
    await server.create('/api/v1/nodes', {
      apiVersion: 'v1', kind: 'Node', metadata: { name },
      status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: k.http.address().port } } },
    })
    return k
  }

  stop() {
    for (const s of this.sockets) s.destroy()
    return new Promise((ok) => this.http.close(ok))
  }

  /** pod makes a pod that runs here. */
  async pod(namespace, name, { containers = ['main'], init = [], labels = {}, owners, running = true, restarts = 0, tty = false } = {}) {
    const p = await this.server.create(`/api/v1/namespaces/${namespace}/pods`, {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels, ownerReferences: owners },
      spec: {
        nodeName: this.name, terminationGracePeriodSeconds: 0, initContainers: init.map((n) => ({ name: n, image: 'image' })),
        containers: containers.map((n) => ({ name: n, image: 'image', ...(tty ? { tty: true, stdin: true } : {}) })),
      },
    })
    const state = running ? { running: { startedAt: new Date().toISOString() } } : { waiting: { reason: 'ContainerCreating' } }
    const done = { terminated: { exitCode: 0, reason: 'Completed' } }
    await this.server.api('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { status: {
      phase: running ? 'Running' : 'Pending', startTime: new Date().toISOString(),
      initContainerStatuses: init.map((n) => ({ name: n, image: 'image', imageID: '', ready: true, restartCount: 0, state: done })),
      containerStatuses: containers.map((n) => ({ name: n, image: 'image', imageID: '', ready: running, restartCount: restarts, state })),
    } }, 'application/strategic-merge-patch+json')
    for (const n of [...init, ...containers]) this.container(`${namespace}/${name}/${n}`).over = init.includes(n)
    return p
  }

  /** debug adds a debug container that runs to a pod. */
  async debug(namespace, name, container) {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`
    const merge = 'application/strategic-merge-patch+json'
    await this.server.api('PATCH', `${path}/ephemeralcontainers`, { spec: { ephemeralContainers: [{ name: container, image: 'image' }] } }, merge)
    await this.server.api('PATCH', `${path}/status`, { status: { ephemeralContainerStatuses: [{ name: container, image: 'image', imageID: '', ready: false, restartCount: 0, state: { running: {} } }] } }, merge)
    return this.container(`${namespace}/${name}/${container}`)
  }

  /** finish ends a pod and its containers. */
  async finish(namespace, name) {
    for (const [key, c] of this.containers) if (key.startsWith(`${namespace}/${name}/`)) { c.over = true; c.end?.() }
    const p = await this.server.api('GET', `/api/v1/namespaces/${namespace}/pods/${name}`)
    const over = (list) => list?.map((s) => ({ ...s, ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }))
    await this.server.api('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { status: { phase: 'Succeeded', containerStatuses: over(p.status.containerStatuses) } }, 'application/strategic-merge-patch+json')
  }

  container(key) {
    let c = this.containers.get(key)
    if (!c) this.containers.set(key, c = { lines: [], previous: [], followers: new Set() })
    return c
  }

  /** log adds lines to a container's log; at is their time. */
  log(key, texts, at = Date.now()) {
    const c = this.container(key)
    for (const text of [texts].flat()) {
      // The time of each line is its own, to the nanosecond.
      const n = c.lines.length % 1_000_000
      const t = new Date(at).toISOString().slice(0, -1) + String(n).padStart(6, '0') + 'Z'
      const line = { t, text }
      c.lines.push(line)
      for (const f of c.followers) f(line)
    }
  }

  serve(q, r) {
    const u = new URL(q.url, 'https://x')
    this.requests.push(u)
    const m = u.pathname.match(/^\/containerLogs\/([^/]+)\/([^/]+)\/([^/]+)$/)
    const c = m && this.containers.get(`${m[1]}/${m[2]}/${m[3]}`)
    if (!c) return r.writeHead(404).end('no such container')
    if (c.waiting) return r.writeHead(400).end(`container "${m[3]}" in pod "${m[2]}" is waiting to start: ContainerCreating`)
    const p = u.searchParams
    let lines = p.get('previous') === 'true' ? c.previous : c.lines
    if (p.has('sinceTime')) lines = lines.filter((l) => Date.parse(l.t) >= Date.parse(p.get('sinceTime')))
    if (p.has('sinceSeconds')) lines = lines.filter((l) => Date.parse(l.t) >= Date.now() - 1000 * p.get('sinceSeconds'))
    if (p.has('tailLines')) lines = lines.slice(Math.max(0, lines.length - Number(p.get('tailLines'))))
    if (c.gate && p.get('follow') !== 'true') return this.halves(c, lines, r)
    const text = (l) => (p.get('timestamps') === 'true' ? l.t + ' ' : '') + l.text + '\n'
    r.writeHead(200, { 'Content-Type': 'text/plain' })
    r.write(lines.map(text).join(''))
    if (p.get('follow') !== 'true' || p.get('previous') === 'true' || c.over) return r.end()
    r.flushHeaders()
    const follow = (l) => r.write(text(l))
    c.followers.add(follow)
    c.end = () => r.end()
    r.on('close', () => c.followers.delete(follow))
  }

  // halves sends half of a log, and the rest when the gate opens.
  async halves(c, lines, r) {
    const text = (some) => some.map((l) => `${l.t} ${l.text}\n`).join('')
    r.writeHead(200, { 'Content-Type': 'text/plain' })
    r.write(text(lines.slice(0, lines.length / 2)))
    await c.gate
    r.end(text(lines.slice(lines.length / 2)))
  }

  /** cut breaks the connections of all shells, as a node that is lost. */
  cut() { for (const s of this.open) s.socket.destroy() }

  upgrade(q, socket) {
    const u = new URL(q.url, 'https://x')
    this.requests.push(u)
    const kind = u.pathname.split('/')[1]
    socket.on('error', () => {})
    socket.on('close', () => socket.emit('drain'))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n')
    const on = (name) => u.searchParams.get(name) === '1' || u.searchParams.get(name) === 'true'
    const tty = on('tty')
    const names = ['error', on('input') && 'stdin', on('output') && 'stdout', on('error') && !tty && 'stderr', tty && 'resize'].filter(Boolean)
    const spdy = new SPDY(socket, names)
    const command = u.searchParams.getAll('command')
    const shell = new Shell(spdy, { attach: kind === 'attach', command, socket, script: this.script })
    if (kind === 'exec' && !this.shells.has(command[0])) {
      shell.fail(`Internal error occurred: error executing command in container: failed to exec in container: exec: "${command[0]}": executable file not found in $PATH`)
      return
    }
    this.open.add(shell)
    socket.on('close', () => this.open.delete(shell))
    spdy.on = { stdin: (b) => shell.input(b), resize: (b) => shell.resize(JSON.parse(b)) }
    shell.begin()
  }
}

// SPDY is the server's end of a kubelet's connection. The client opens its
// streams in a known order, so headers need not be read.
class SPDY {
  constructor(socket, names) {
    this.socket = socket
    this.names = names
    this.ids = {}
    this.on = {}
    let rest = Buffer.alloc(0)
    socket.on('data', (b) => {
      rest = Buffer.concat([rest, b])
      while (rest.length >= 8) {
        const length = rest.readUInt32BE(4) & 0xffffff
        if (rest.length < 8 + length) return
        this.frame(rest.subarray(0, 8), rest.subarray(8, 8 + length))
        rest = rest.subarray(8 + length)
      }
    })
  }

  frame(head, body) {
    if (!(head[0] & 0x80)) {
      const name = Object.keys(this.ids).find((n) => this.ids[n] === head.readUInt32BE(0))
      if (body.length) this.on[name]?.(Buffer.from(body))
      return
    }
    const kind = head.readUInt16BE(2)
    if (kind === 1) this.ids[this.names[Object.keys(this.ids).length]] = body.readUInt32BE(0)
    if (kind === 6 && body.readUInt32BE(0) % 2) this.socket.write(Buffer.concat([head, body]))
  }

  write(name, data, fin = false) {
    const body = Buffer.from(data)
    const head = Buffer.alloc(8)
    head.writeUInt32BE(2 * this.names.indexOf(name) + 1, 0)
    head.writeUInt32BE(body.length, 4)
    head[4] = fin ? 1 : 0
    if (!this.socket.destroyed) return this.socket.write(Buffer.concat([head, body]))
  }
}

// Shell echoes what is typed, and knows a few commands.
class Shell {
  constructor(spdy, o) {
    Object.assign(this, o)
    this.spdy = spdy
    this.line = ''
    this.size = null
  }

  say(s) { return this.spdy.write('stdout', s) }

  begin() {
    if (this.attach) this.say('attached\r\n')
    this.prompt()
  }

  prompt() { this.say('\x1b[?2004h/ # ') }

  resize({ Width, Height }) { this.size = `${Height} ${Width}` }

  input(bytes) {
    this.pending = Buffer.concat([this.pending ?? Buffer.alloc(0), bytes])
    let text = this.pending.toString()
    this.pending = undefined
    const paste = text.match(/\x1b\[200~([^]*?)\x1b\[201~/)
    if (paste) {
      this.say(`[pasted ${JSON.stringify(paste[1])}]`)
      text = text.replace(paste[0], '')
    } else if (text.includes('\x1b[200~')) {
      this.pending = Buffer.from(text)
      return
    }
    for (const c of text) {
      if (c === '\r') { this.say('\r\n'); this.run(this.line.trim()); this.line = '' }
      else if (c === '\x03') { this.say('^C\r\n'); this.line = ''; this.prompt() }
      else if (c === '\x7f') { if (this.line) { this.line = this.line.slice(0, -1); this.say('\b \b') } }
      else { this.line += c; this.say(c) }
    }
  }

  async run(line) {
    const [name, ...words] = line.split(' ')
    if (name === 'exit') return this.exit(Number(words[0] ?? 0))
    if (name === 'echo') this.say(words.join(' ') + '\r\n')
    else if (name === 'stty') this.say(this.size + '\r\n')
    else if (name === 'colours') this.say('\x1b[31mred\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[38;2;10;200;90mtrue\x1b[0m \x1b[44mon blue\x1b[0m\r\n')
    else if (name === 'emoji') for (const b of Buffer.from('😀é\r\n')) this.say(Buffer.from([b]))
    else if (name === 'link') this.say('see https://example.com/page for more\r\n')
    else if (name === 'seq') await this.seq(Number(words[0]))
    else if (name) this.say(`${name}: not found\r\n`)
    this.prompt()
  }

  // seq writes many lines, as fast as they are taken.
  async seq(n) {
    for (let i = 1; i <= n;) {
      let s = ''
      for (let k = 0; k < 500 && i <= n; k++) s += `line ${i++}\r\n`
      if (this.say(s) === false) await new Promise((ok) => { this.socket.once('drain', ok); if (this.socket.destroyed) ok() })
      if (this.socket.destroyed) return
    }
  }

  exit(code) {
    this.status(code ? { status: 'Failure', reason: 'NonZeroExitCode', message: `command terminated with non-zero exit code: ${code}`, details: { causes: [{ reason: 'ExitCode', type: 'ExitCode', message: String(code) }] } } : { status: 'Success' })
  }

  fail(message) { this.status({ status: 'Failure', reason: 'InternalError', message, code: 500 }) }

  status(s) {
    const end = () => {
      for (const name of ['stdout', 'stderr']) if (this.spdy.names.includes(name)) this.spdy.write(name, '', true)
      this.spdy.write('error', JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, ...s }), true)
    }
    end()
  }
}
