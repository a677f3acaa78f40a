// A proxy between a browser and the server: one that loses patience with silence,
// and one that swallows everything without closing anything, as a network does
// from which a laptop was taken.
import { connect, createServer } from 'node:net'

/** Wire is such a proxy. */
export class Wire {
  static async start(server, limit = Infinity) {
    const w = new Wire()
    w.limit = limit // of silence in one direction, in milliseconds
    w.pairs = new Set()
    w.cut = 0 // how many connections were ended for being silent
    w.down = false
    w.net = createServer((near) => w.join(near, server.port)).unref() // a test that fails leaves it behind
    await new Promise((ok) => w.net.listen(0, '127.0.0.1', ok))
    w.url = `http://127.0.0.1:${w.net.address().port}`
    return w
  }

  join(near, port) {
    const far = connect(port, '127.0.0.1')
    for (const s of [near, far]) s.unref()
    const pair = { near, far, dead: this.down, upgraded: false, silence: { up: 0, down: 0 } }
    this.pairs.add(pair)
    const pass = (from, to, way) => {
      from.on('data', (b) => {
        pair.silence[way] = 0
        if (way === 'up' && b.includes('Upgrade: websocket')) pair.upgraded = true
        if (!pair.dead) to.write(b)
      })
      from.on('error', () => {})
      from.on('close', () => { this.pairs.delete(pair); to.destroy() })
    }
    pass(near, far, 'up')
    pass(far, near, 'down')
  }

  /** elapse lets time go by, in which nothing was said that was not passed on. */
  elapse(ms) {
    for (const p of this.pairs) {
      p.silence.up += ms
      p.silence.down += ms
      if (Math.max(p.silence.up, p.silence.down) < this.limit) continue
      this.cut += p.upgraded ? 1 : 0
      p.near.destroy()
    }
  }

  /** swallow makes the websockets that are open dead, without a word. While it is
   * down new connections are as well. */
  swallow({ down = false } = {}) {
    this.down = down
    for (const p of this.pairs) {
      if (p.upgraded) p.dead = true
      else p.near.destroy()
    }
  }

  stop() {
    for (const p of this.pairs) p.near.destroy()
    return new Promise((ok) => this.net.close(ok))
  }
}
