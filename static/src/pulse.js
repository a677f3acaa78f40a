// Finds out whether the other end of a connection is still there. A laptop that
// slept, or a network that swallows everything, closes no websocket.

const every = 15_000
const within = 10_000
const afterSleep = 3_000

/** pulse asks for a sign of life now and then: ask() does, and is false when
 * there is no connection; dead() is called when none came. */
export function pulse(ask, dead) {
  let dying = 0
  let last = Date.now()
  const expect = (ms = within) => { dying ||= setTimeout(() => { dying = 0; dead() }, ms) }
  const heard = () => { clearTimeout(dying); dying = 0 }
  const beat = (ms) => { if (ask()) expect(ms) }
  const ticking = setInterval(() => {
    const slept = Date.now() - last > 2 * every
    last = Date.now()
    beat(slept ? afterSleep : within)
  }, every)
  return {
    beat, // asks now
    expect, // something has to come, as after the beginning of a connection
    heard, // something came
    stop() { clearInterval(ticking); heard() },
  }
}

/** answering gives up a request that is not answered. */
export const answering = () => AbortSignal.timeout(within)
