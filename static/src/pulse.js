// Finds out whether the other end of a connection is still there. A laptop that
// slept, or a network that swallows everything, closes no websocket.

const silence = 5000
const turn = 1000

/** pulse asks for a sign of life when nothing has come for a while: ask() does,
 * and is false when there is no connection; dead() is called when none comes. Only
 * time in which this page could have read an answer counts. */
export function pulse(ask, dead) {
  let last = performance.now() // when something came
  let asked = 0 // when a sign of life was asked for, 0 when none has to come
  let turned = last
  const expect = () => { asked ||= performance.now() }
  const beat = () => { if (ask()) expect() }
  const turning = setInterval(() => {
    const now = performance.now()
    const away = now - turned > 3 * turn
    turned = now
    if (away) asked = 0
    if (away || !asked && now - last > silence) beat()
    else if (asked && now - asked > silence) { asked = 0; dead() }
  }, turn)
  return {
    beat, // asks now
    expect, // something has to come, as after the beginning of a connection
    heard() { last = performance.now(); asked = 0 }, // something came, or nothing has to
    stop() { clearInterval(turning) },
  }
}

/** answering gives up a request that is not answered, soon enough to be back
 * within five seconds. */
export const answering = () => AbortSignal.timeout(4000)
