// R18, R20, R21: logs and shells of real containers, as the node in the server's
// process runs them. What does not need a real one is in shell.test.js.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Registry, Server, context, done, live, login, quit, until } from '../harness.js'

let server, registry, chosen
before(async () => {
  registry = await Registry.start()
  server = await Server.start('--node=auto')
  const { items: [node] } = await until(async () => {
    const list = await server.api('GET', '/api/v1/nodes')
    return list.items[0]?.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') && list
  }, 180_000)
  chosen = node.metadata.annotations
  if (!runs()) return
  const spec = { terminationGracePeriodSeconds: 0, containers: [
    { name: 'main', image: registry.image, args: ['shell'], stdin: true, tty: true },
    { name: 'counts', image: registry.image, args: ['count', '10000'] },
  ] }
  await until(() => server.create('/api/v1/namespaces/default/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec }).catch(() => {}))
  await until(async () => {
    const p = await server.api('GET', '/api/v1/namespaces/default/pods/web')
    return p.status.containerStatuses?.every((s) => s.state.running)
  }, 180_000)
})
after(async () => {
  await quit()
  await server?.stop()
  registry?.stop()
})

const runs = () => chosen['node.pilothouse.dev/backend'] === 'builtin'
const why = () => `containers cannot run here: ${chosen['node.pilothouse.dev/backend-chosen-because']}`
const wait = 60_000
const pod = '/ui/api/v1/namespaces/default/pods/web'
const screen = (p) => p.$$eval('.dockpane:not([hidden]) .xterm-rows > div', (l) => l.map((e) => e.textContent.replaceAll('\u00a0', ' ').trimEnd()).join('\n').trim())
const says = (p, what) => until(async () => { const s = await screen(p); return typeof what === 'string' ? s.includes(what) : what.test(s) }, wait)
const state = (p, s) => p.waitForSelector(`.docktab[data-state=${s}]`, { timeout: wait })

test('R21: a shell in a container: keys, size, colours, what is pasted, a cut, its exit code', async (t) => {
  if (!runs()) return t.skip(why())
  const c = await context()
  const p = await login(server, c, 'token-admin', pod)
  await live(p)
  await p.keyboard.press('s')
  await state(p, 'open')
  await says(p, '/ #')
  await p.keyboard.type('echo typed in a container\r')
  await says(p, /^typed in a container$/m)
  // The kernel knows the terminal's size, also after it has changed.
  const grid = () => p.$$eval('.dockpane:not([hidden]) .xterm-rows > div', (l) => l.length)
  const small = await grid()
  await p.keyboard.type('stty size\r')
  await says(p, new RegExp(`^${small} \\d+$`, 'm'))
  await (await p.$('.dockgrip')).focus()
  for (let i = 0; i < 4; i++) await p.keyboard.press('ArrowUp')
  await until(async () => await grid() > small)
  await p.click('.term')
  await until(async () => {
    await p.keyboard.type('stty size\r')
    return new RegExp(`^${await grid()} \\d+$`, 'm').test(await screen(p))
  }, wait)
  await p.keyboard.type('colours\r')
  await says(p, '😀')
  const colours = await p.$$eval('.dockpane:not([hidden]) .xterm-rows span', (l) => Object.fromEntries(l.map((e) => [e.textContent.trim(), getComputedStyle(e).color])))
  assert.equal(colours.red, 'rgb(255, 138, 128)')
  assert.equal(colours.orange, 'rgb(255, 135, 0)')
  assert.equal(colours.true, 'rgb(10, 200, 90)')
  await p.evaluate(() => {
    const data = new DataTransfer()
    data.setData('text/plain', 'echo first line\necho second line\n')
    document.querySelector('.dockpane:not([hidden]) .xterm-helper-textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  })
  await says(p, /^first line$[^]*second line$/m)
  // The same shell goes on after the network was cut.
  await c.setOffline(true)
  await state(p, 'lost')
  await c.setOffline(false)
  await state(p, 'open')
  await p.keyboard.type('echo after the cut\r')
  await says(p, /second line$[^]*^after the cut$/m)
  await p.keyboard.type('exit 3\r')
  await says(p, 'Exit code 3.')
  assert.equal(await p.textContent('.docktab em'), 'exit 3')
  await done(c)
})

test('R18: the log of a container is followed', async (t) => {
  if (!runs()) return t.skip(why())
  const c = await context()
  const p = await login(server, c, 'token-admin', pod + '?tab=logs&container=counts')
  await live(p)
  const last = () => p.$$eval('#main .lr .lx', (l) => l.at(-1)?.textContent)
  const first = Number(await until(last, wait))
  await until(async () => Number(await last()) !== first, wait)
  await done(c)
})

test('R20: a shell stays for ten minutes in which nobody types', async (t) => {
  if (!runs()) return t.skip(why())
  const c = await context()
  await c.addInitScript(() => {
    const Real = WebSocket
    window.sockets = []
    window.WebSocket = class extends Real { constructor(...a) { super(...a); if (/terminal/.test(a[0])) window.sockets.push(this) } }
  })
  const p = await c.newPage()
  await p.clock.install()
  await p.goto(`${server.url}/login?next=${encodeURIComponent(pod)}`)
  await p.fill('#token', 'token-admin')
  await p.click('[data-testid=login]')
  await live(p)
  await p.keyboard.press('s')
  await state(p, 'open')
  await p.clock.runFor(1000)
  await says(p, '/ #')
  await p.evaluate(() => { const s = window.sockets[0]; window.pongs = 0; s.addEventListener('message', (e) => { if (String(e.data).includes('pong')) window.pongs++ }) })
  await p.clock.pauseAt(await p.evaluate(() => Date.now() + 1000)) // an answer takes no time of the page's, however long it takes
  for (let i = 1; i <= 90; i++) { // a sign of life is asked for after 5 s, and waited for for 5 more
    await p.clock.runFor(7000)
    await until(() => p.evaluate((n) => window.pongs >= n, i), wait)
  }
  assert.equal(await p.evaluate(() => window.sockets.length), 1)
  await p.click('.term')
  await p.keyboard.type('echo still here\r')
  await until(async () => {
    await p.clock.runFor(100)
    return /^still here$/m.test(await screen(p))
  }, wait)
  await done(c)
})
