// A proxy between a browser and the server, which behaves as badly as networks do.
import { connect, createServer } from 'node:net'

/** Wire is such a proxy. Its limit is the silence, in milliseconds, after which it
 * ends a connection. */
export class Wire {
  static async to(server, limit = Infinity) {
    const w = Object.assign(new Wire(), { limit, pairs: new Set(), state: 'whole', impatient: 0 })
    w.net = createServer((near) => w.join(near, server.port)).unref() // a test that fails leaves it behind
    await new Promise((ok) => w.net.listen(0, '127.0.0.1', ok))
    w.url = `http://127.0.0.1:${w.net.address().port}`
    return w
  }

  join(near, port) {
    near.on('error', () => {})
    if (this.state === 'cut') return near.destroy()
    const far = connect(port, '127.0.0.1')
    for (const s of [near, far]) s.unref()
    const pair = { near, far, dead: this.state === 'stalled', upgraded: false, silence: { up: 0, down: 0 } }
    this.pairs.add(pair)
    for (const [from, to, way] of [[near, far, 'up'], [far, near, 'down']]) {
      from.on('data', (b) => {
        pair.silence[way] = 0
        if (way === 'up' && b.includes('Upgrade: websocket')) pair.upgraded = true
        if (!pair.dead) to.write(b)
      })
      from.on('error', () => {})
      from.on('close', () => { this.pairs.delete(pair); to.destroy() })
    }
  }

  /** elapse lets time go by, in which nothing was said that was not passed on;
   * impatient counts the websockets that this ended. */
  elapse(ms) {
    for (const p of this.pairs) {
      p.silence.up += ms
      p.silence.down += ms
      if (Math.max(p.silence.up, p.silence.down) < this.limit) continue
      this.impatient += p.upgraded ? 1 : 0
      p.near.destroy()
    }
  }

  /** cut ends all connections, and those that come. */
  cut() { this.state = 'cut'; this.end() }

  /** swallow makes the websockets that are open dead, without a word, as for a
   * laptop that sleeps. */
  swallow() {
    for (const p of this.pairs) {
      if (p.upgraded) p.dead = true
      else p.near.destroy()
    }
  }

  /** stall does so with all that comes as well. */
  stall() { this.state = 'stalled'; this.swallow() }

  /** mend lets new connections through; those that lost bytes are over. */
  mend() { this.state = 'whole'; this.end() }

  end() { for (const p of this.pairs) p.near.destroy() }

  stop() {
    this.end()
    return new Promise((ok) => this.net.close(ok))
  }
}
