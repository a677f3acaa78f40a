// R21, R20, R9: shells in the dock, on a node that is a fake.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Server, context, done, figure, live, login, quit, unhurried, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'
import { Wire } from '../wire.js'

let server, node
before(async () => {
  server = await Server.start()
  node = await Kubelet.start(server)
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'shop' } }).catch(() => {})
  await node.pod('shop', 'web', { containers: ['main', 'proxy'] })
})
after(async () => {
  await quit()
  await node?.stop()
  await server?.stop()
})

const wait = 60_000
const pod = '/ui/api/v1/namespaces/shop/pods/web'
// screen is the text of the terminal that is in front.
const screen = (p) => p.$$eval('.dockpane:not([hidden]) .xterm-rows > div', (l) => l.map((e) => e.textContent.replaceAll('\u00a0', ' ').trimEnd()).join('\n').trim())
const says = (p, what) => until(async () => { const s = await screen(p); return typeof what === 'string' ? s.includes(what) : what.test(s) }, wait)

// opened gives how many shells run that did not when it was called: those of tests
// before may end at any time.
function opened() {
  const before = new Set(node.open)
  return () => [...node.open].filter((s) => !before.has(s)).length
}

async function openShell(c, where = pod) {
  const p = await login(server, c, 'token-admin', where)
  await live(p)
  await p.keyboard.press('s')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, '/ #')
  return p
}

// at is the place of a letter of a text of the terminal in front.
async function at(p, text, letter) {
  const spot = async () => {
    const box = await p.evaluate(([text, letter]) => {
      const rows = [...document.querySelectorAll('.dockpane:not([hidden]) .xterm-rows > div')]
      const row = rows.findLast((r) => r.textContent.replaceAll('\u00a0', ' ').includes(text) && !r.textContent.includes('echo'))
      const r = document.createRange()
      let left = row.textContent.indexOf(text) + letter
      const walk = document.createTreeWalker(row, NodeFilter.SHOW_TEXT)
      for (let n = walk.nextNode(); n; n = walk.nextNode()) {
        if (left < n.length) { r.setStart(n, left); r.setEnd(n, left + 1); break }
        left -= n.length
      }
      const { x, y, width, height } = r.getBoundingClientRect()
      return { x: x + width / 2, y: y + height / 2 }
    }, [text, letter])
    return [box.x, box.y]
  }
  return { hover: async () => p.mouse.move(...await spot(), { steps: 3 }), click: async () => p.mouse.click(...await spot()), dblclick: async () => p.mouse.dblclick(...await spot()) }
}

// sized waits until the shell knows the size of the grid that one sees, and until
// that is as it should be. A line of many letters tells how wide it is.
async function sized(p, as = () => true) {
  let grid
  await until(async () => {
    await p.keyboard.insertText(`echo ${'x'.repeat(400)}`)
    await p.keyboard.press('Enter')
    await p.keyboard.type('stty size\r')
    const [rows, text] = [await p.$$eval('.dockpane:not([hidden]) .xterm-rows > div', (l) => l.length), await screen(p)]
    const last = text.lastIndexOf('stty size')
    grid = { rows, columns: Math.max(...text.slice(0, last).split('\n').slice(-12).map((l) => l.match(/x+/)?.[0].length ?? 0)) }
    return as(grid) && text.slice(last).includes(`\n${grid.rows} ${grid.columns}\n`)
  }, wait)
  return grid
}

test('R21: one types into a shell, and sees what a terminal shows', async () => {
  const c = await context()
  const p = await login(server, c, 'token-admin', pod)
  await live(p)
  const asked = Date.now()
  await p.keyboard.press('s')
  await p.waitForFunction(() => document.querySelector('.dockpane .xterm-rows')?.textContent.replaceAll('\u00a0', ' ').includes('/ #'), null, { timeout: wait })
  figure('R21 from the key to the prompt', Date.now() - asked, 1000, { slack: 60 })
  // The keys are the shell's, not the page's.
  await p.keyboard.type('echo yes, dwellers')
  await p.keyboard.press('Enter')
  await says(p, /^yes, dwellers$/m)
  assert.ok(!/tab=/.test(p.url()))
  // The shell knows the size of the grid, also after the split between page and
  // dock, the window or the size of letters have changed.
  const usual = await sized(p)
  await (await p.$('.dockgrip')).focus()
  for (let i = 0; i < 4; i++) await p.keyboard.press('ArrowUp')
  await p.click('.term')
  const higher = await sized(p, (g) => g.rows > usual.rows && g.columns === usual.columns)
  for (let i = 0; i < 5; i++) await p.keyboard.press('Control+Equal')
  await sized(p, (g) => g.rows < higher.rows && g.columns < usual.columns)
  await p.keyboard.press('Control+Minus')
  await p.keyboard.press('Control+0')
  await sized(p, (g) => g.rows === higher.rows && g.columns === usual.columns)
  await p.setViewportSize({ width: 900, height: 700 })
  await sized(p, (g) => g.columns < usual.columns)
  await p.setViewportSize({ width: 1440, height: 900 })
  // Colours, and letters that come in pieces.
  await p.keyboard.type('colours\r')
  await says(p, 'on blue')
  const colours = await p.$$eval('.dockpane:not([hidden]) .xterm-rows span', (l) => Object.fromEntries(l.map((e) => [e.textContent.trim(), getComputedStyle(e).color])))
  assert.equal(colours.red, 'rgb(255, 138, 128)')
  assert.equal(colours.orange, 'rgb(255, 135, 0)')
  assert.equal(colours.true, 'rgb(10, 200, 90)')
  await p.keyboard.type('emoji\r')
  await says(p, '😀é')
  // What is pasted is told apart from what is typed.
  await p.evaluate(() => {
    const data = new DataTransfer()
    data.setData('text/plain', 'two\nlines')
    document.querySelector('.dockpane:not([hidden]) .xterm-helper-textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  })
  await says(p, '[pasted "two\\rlines"]')
  // Ctrl C copies what is selected, and interrupts when nothing is.
  await p.evaluate(() => { navigator.clipboard.writeText = async (t) => { window.copied = t } })
  await p.keyboard.type('echo choose-me\r')
  await says(p, /^choose-me$/m)
  await (await at(p, 'choose-me', 3)).dblclick()
  await p.keyboard.press('Control+c')
  await until(() => p.evaluate(() => window.copied === 'choose-me'))
  assert.doesNotMatch(await screen(p), /\^C/)
  await p.keyboard.press('Control+c')
  await says(p, '^C')
  // Addresses are links.
  await p.evaluate(() => { window.open = (...a) => { window.opened = a } })
  await p.keyboard.type('link\r')
  await says(p, 'https://example.com/page')
  const link = await at(p, 'https://example.com/page', 12)
  await until(async () => {
    await link.hover()
    await link.click()
    return p.evaluate(() => window.opened?.[0] === 'https://example.com/page')
  }, wait)
  // One finds what was said, also what has scrolled away.
  await p.keyboard.type('seq 200\r')
  await says(p, 'line 200')
  await p.keyboard.press('Control+Shift+f')
  await p.keyboard.type('dwellers')
  await p.keyboard.press('Enter')
  await says(p, /^yes, dwellers$/m)
  await until(async () => /^\d of \d$/.test(await p.textContent('.shellbar input + *, .shellbar [role=status]:has(+ input)')), wait)
  await p.keyboard.press('Escape')
  // Shift Escape leaves the shell; Tab goes on from its tab, both ways.
  await p.keyboard.press('Shift+Escape')
  const focus = () => p.evaluate(() => { const e = document.activeElement; return e.getAttribute('role') ?? e.getAttribute('aria-label') ?? e.textContent })
  const walk = async (key, n) => { const seen = []; for (let i = 0; i < n; i++) { await p.keyboard.press(key); seen.push(await focus()) } return seen }
  assert.equal(await focus(), 'tab')
  assert.deepEqual(await walk('Tab', 4), ['Open this tab in a window of its own', 'Make the dock small (Ctrl `)', 'Close this tab (Delete)', 'shop/web'])
  assert.deepEqual((await walk('Shift+Tab', 5)).slice(-2), ['tab', 'separator'])
  await p.keyboard.press('Shift+Tab')
  assert.ok(await p.evaluate(() => !!document.activeElement.closest('#main')))
  // It ends with a code; Enter opens a new one.
  await p.click('.term')
  await p.keyboard.type('exit 3\r')
  await says(p, 'Exit code 3.')
  await until(async () => await p.textContent('.docktab em') === 'exit 3', wait)
  await p.keyboard.press('Enter')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, /Enter opens a new one\.|^\/ #/m)
  await p.keyboard.type('exit\r')
  await says(p, 'exit code 0')
  await done(c)
})

test('R21: what a shell takes from a key to its echo', async () => {
  const c = await context()
  const p = await openShell(c)
  const times = []
  for (let i = 0; i < 60; i++) {
    const key = 'abcdefghij'[i % 10]
    times.push(await p.evaluate((key) => new Promise((ok) => {
      const rows = document.querySelector('.dockpane:not([hidden]) .xterm-rows')
      const before = rows.textContent
      const begun = performance.now()
      const o = new MutationObserver(() => {
        if (rows.textContent === before) return
        o.disconnect()
        ok(performance.now() - begun)
      })
      o.observe(rows, { childList: true, subtree: true, characterData: true })
      const t = document.querySelector('.dockpane:not([hidden]) .xterm-helper-textarea')
      t.value = key
      t.dispatchEvent(new InputEvent('input', { data: key, inputType: 'insertText', bubbles: true, composed: true }))
    }), key))
  }
  times.sort((a, b) => a - b)
  figure('R21 from a key to its echo, p95', times[56], 20, { slack: 200 })
  await done(c)
})

test('R20: a shell goes on after the network was cut, and after the page was loaded again', async () => {
  const c = await context()
  const mine = opened()
  const p = await openShell(c)
  await p.keyboard.type('echo before\r')
  await says(p, /^before$/m)
  await c.setOffline(true)
  await p.waitForSelector('.docktab[data-state=lost]', { timeout: wait })
  await p.keyboard.type('echo after\r')
  await p.waitForEvent('requestfailed') // it has been tried in vain
  await c.setOffline(false)
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, /^before\n\/ # echo after\nafter$/m)
  await p.reload()
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, /^before\n\/ # echo after\nafter$/m)
  await p.click('.term')
  await p.keyboard.type('echo third\r')
  await says(p, /^third$/m)
  assert.equal(mine(), 1)
  await p.click('.docktab .dockclose')
  await until(() => mine() === 0, wait)
  assert.ok(await p.isHidden('#dock'))
  await done(c)
})

test('R20: no byte is lost when the network is cut in the middle', async () => {
  const c = await context()
  const p = await openShell(c)
  await p.keyboard.type('seq 60000\r')
  await says(p, 'line ')
  await c.setOffline(true)
  await p.waitForSelector('.docktab[data-state=lost]', { timeout: wait })
  await c.setOffline(false)
  await says(p, 'line 60000')
  await p.waitForSelector('.docktab[data-state=open]')
  await p.keyboard.press('Shift+Escape')
  await p.evaluate(() => { navigator.clipboard.writeText = async (t) => { window.copied = t } })
  await p.click('.shellbar button >> text=Copy')
  const text = await until(() => p.evaluate(() => window.copied))
  const numbers = [...text.matchAll(/^line (\d+)$/gm)].map((m) => Number(m[1]))
  assert.equal(numbers.at(-1), 60000)
  for (let i = 1; i < numbers.length; i++) assert.equal(numbers[i], numbers[i - 1] + 1)
  assert.ok(numbers.length > 9000)
  await done(c)
})

test('R21: what is typed before the terminal is there is typed into it', async () => {
  const c = await context()
  const p = await login(server, c, 'token-admin', pod)
  await live(p)
  let come
  const held = new Promise((ok) => { come = ok })
  await p.route(/\/(dock|terminal)-\w+\.js/, async (r) => { await held; await r.continue() })
  await p.focus('[data-key=s]')
  await p.keyboard.press('Enter')
  // Each of these letters is a key of the page.
  await p.keyboard.type('echo leydsnp?x\recho g')
  await p.keyboard.press('Backspace')
  await p.keyboard.type('second')
  assert.ok(!/tab=/.test(p.url()))
  assert.equal(await p.$('dialog[open]'), null)
  come()
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, /^leydsnp\?x$/m)
  await p.keyboard.press('Enter')
  await says(p, /^second$/m)
  await until(async () => (await screen(p)).match(/\/ #/g).length === 3) // the key that opened it is not typed
  // From a row it waits for the panel too.
  const q = await c.newPage()
  await q.goto(server.url + '/ui/api/v1/namespaces/shop/pods')
  await live(q)
  await q.keyboard.press('j')
  await q.waitForFunction(() => document.activeElement.matches('tr a[data-open]'))
  await q.keyboard.press('s')
  await q.keyboard.type('echo leydsn\r')
  await says(q, /^leydsn$/m)
  assert.ok(!/tab=/.test(q.url()))
  await done(c)
})

test('R20: an idle shell stays, and one that is dead is noticed', async () => {
  const c = await context()
  await c.addInitScript(() => {
    const Real = WebSocket
    window.sockets = []
    window.WebSocket = class extends Real { constructor(...a) { super(...a); if (/terminal/.test(a[0])) window.sockets.push(this) } }
  })
  // Between is a proxy that ends connections on which nothing was said for a minute.
  const wire = await Wire.to(server, 60_000)
  const p = await c.newPage()
  await p.clock.install()
  await p.goto(`${wire.url}/login?next=${encodeURIComponent(pod)}`)
  await p.fill('#token', 'token-admin')
  await p.click('[data-testid=login]')
  await live(p)
  await p.keyboard.press('s')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  // Ten minutes in which nobody types: signs of life go to and fro.
  await p.evaluate(() => { const s = window.sockets[0]; window.pongs = 0; s.addEventListener('message', (e) => { if (String(e.data).includes('pong')) window.pongs++ }) })
  for (let i = 1; i <= 100; i++) {
    await p.clock.runFor(6_000)
    await until(() => p.evaluate((n) => window.pongs >= n, i), wait)
    wire.elapse(6_000)
  }
  assert.equal(wire.impatient, 0)
  assert.equal(await p.evaluate(() => window.sockets.length), 1)
  assert.equal(await p.getAttribute('.docktab', 'data-state'), 'open')
  // A connection that gives no sign of life is given up and made again.
  await p.evaluate(() => { const s = window.sockets[0]; s.send = () => {}; s.onmessage = null })
  await p.clock.runFor(15_000)
  await p.clock.runFor(10_000)
  await until(async () => {
    await p.clock.runFor(500)
    return p.evaluate(() => window.sockets.length > 1 && document.querySelector('.docktab').dataset.state === 'open')
  }, wait)
  await p.click('.term')
  await p.keyboard.type('echo alive\r')
  await says(p, /^alive$/m)
  // A laptop that slept finds its shell again, and one that is gone says so.
  for (const gone of [false, true]) {
    wire.swallow()
    if (gone) node.cut()
    // What is typed into a connection that has no other end arrives by the next.
    else await p.keyboard.type('echo awake\r')
    const before = await p.evaluate(() => window.sockets.length)
    await p.clock.fastForward('01:00:00')
    await until(async () => {
      await p.clock.runFor(100)
      return await p.getAttribute('.docktab', 'data-state') === (gone ? 'ended' : 'open') && await p.evaluate((n) => window.sockets.length > n, before)
    }, wait)
    if (!gone) await until(async () => { await p.clock.runFor(50); return /^\/ # echo awake\nawake$/m.test(await screen(p)) }, wait)
  }
  await until(async () => { await p.clock.runFor(50); return /connection to the (node|container) was lost\.?\s+Enter opens a new one\./.test(await screen(p)) }, wait)
  await p.keyboard.press('Enter')
  await until(async () => { await p.clock.runFor(50); return await p.getAttribute('.docktab', 'data-state') === 'open' }, wait)
  await done(c)
  await wire.stop()
})

test('R21: every shell that there may be, and a debug container where there is none', async () => {
  await node.pod('shop', 'shells', { containers: ['main'] })
  node.shells = new Set(['ash'])
  const c = await context()
  const p = await openShell(c, '/ui/api/v1/namespaces/shop/pods/shells')
  assert.equal(await screen(p), '/ #')
  const tried = () => node.requests.filter((u) => u.pathname.includes('/shells/')).map((u) => u.searchParams.get('command'))
  for (const shell of ['/busybox/sh', 'powershell.exe', 'cmd.exe', '']) {
    node.shells = new Set([shell])
    await p.keyboard.type('exit\r')
    await p.waitForSelector('.docktab[data-state=ended]', { timeout: wait })
    const before = tried().length
    await p.keyboard.press('Enter')
    await p.waitForSelector(`.docktab[data-state=${shell ? 'open' : 'ended'}]`, { timeout: wait })
    await until(() => tried().length > before && (!shell || tried().at(-1) === shell), wait)
    if (!shell) break
    await until(async () => (await screen(p)).endsWith('/ #'), wait)
    assert.doesNotMatch(await screen(p), /executable|not found/)
  }
  await says(p, 'There is no shell in this container.')
  assert.deepEqual(tried().slice(-6), ['sh', 'bash', 'ash', '/busybox/sh', 'powershell.exe', 'cmd.exe'])
  assert.doesNotMatch(await screen(p), /executable/)
  // The message has a button.
  await p.click('.shellbar button >> text=Add debug container')
  const debugger_ = await until(async () => (await server.api('GET', '/api/v1/namespaces/shop/pods/shells')).spec.ephemeralContainers?.[0], wait)
  assert.equal(debugger_.targetContainerName, 'main')
  await server.api('PATCH', '/api/v1/namespaces/shop/pods/shells/status', { status: { ephemeralContainerStatuses: [{ name: debugger_.name, image: 'i', imageID: '', ready: false, restartCount: 0, state: { running: {} } }] } }, 'application/strategic-merge-patch+json')
  await says(p, 'attached')
  node.shells = new Set(['sh'])
  await done(c)
})

test('R21: what has pods leads to a shell of one of them, with a choice of pod and container', async () => {
  await server.create('/api/v1/namespaces/shop/services', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } })
  await server.api('PATCH', pod.slice(3), { metadata: { labels: { app: 'web' } } }, 'application/merge-patch+json')
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/services/web')
  await live(p)
  await p.keyboard.press('s')
  await p.waitForSelector('.tabs [data-key=s][aria-current]')
  const rows = await p.$$eval('[data-testid=shells] tbody tr', (l) => l.map((tr) => tr.innerText.replace(/\s+/g, ' ').trim()))
  assert.deepEqual(rows.map((r) => r.split(' ').slice(0, 2)), [['web', 'main'], ['web', 'proxy']])
  assert.match(rows[1], /kubectl exec -it -n shop web -c proxy -- sh$/)
  assert.equal((await p.textContent('#main [data-same=kubectl]')).trim(), 'kubectl exec -it -n shop services/web -- sh')
  await p.locator('[data-testid=shells] tr', { hasText: 'proxy' }).locator('a >> text=Shell').click()
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, '/ #')
  assert.match(await p.textContent('.docktab[data-state=open]'), /web.*proxy/)
  await done(c)
})

test('R21: a shell goes on in a window of its own', async () => {
  const c = await context()
  const p = await openShell(c)
  await p.keyboard.type('echo was here\r')
  await says(p, /^was here$/m)
  const [w] = await Promise.all([c.waitForEvent('page', { timeout: wait }), p.click('[data-popout]')])
  await w.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(w, /^was here$/m)
  await w.click('.term')
  await w.keyboard.type('echo goes on\r')
  await says(w, /^goes on$/m)
  await p.waitForSelector('#dock', { state: 'hidden' })
  await done(c)
})

test('R21: several shells and logs stay in the dock from page to page', async () => {
  node.log('shop/web/main', ['one', 'two'])
  const c = await context()
  const mine = opened()
  const p = await openShell(c)
  await p.keyboard.press('Shift+Escape')
  await p.goto(server.url + pod + '?tab=shell')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  for (const n of [1, 2, 2]) await p.click(`[data-testid=shells] tr:nth-child(${n}) >> text=Shell`)
  await p.click('[data-testid=shells] tr:nth-child(1) >> text=Attach')
  await says(p, 'attached')
  await until(() => mine() === 5, wait)
  await p.click('.tabs >> text=Logs')
  await p.click('#main [data-dock=logs]')
  await p.waitForSelector('.dockpane.logs:not([hidden]) .lr', { timeout: wait })
  await p.click('#nav >> text=ConfigMaps')
  await p.waitForURL('**/configmaps')
  assert.equal(await p.$$eval('.docktab', (l) => l.length), 6)
  assert.equal(mine(), 5)
  node.log('shop/web/main', 'three')
  await until(async () => (await p.$$eval('.dockpane.logs .lr', (l) => l.map((e) => e.textContent))).includes('three'), wait)
  await p.click('.docktab >> nth=1')
  await p.keyboard.type('echo still here\r')
  await says(p, /^still here$/m)
  await p.keyboard.press('Control+`')
  await p.waitForSelector('.dockbody', { state: 'hidden', timeout: wait })
  await p.reload()
  await p.waitForFunction(() => document.querySelectorAll('.docktab[data-state=open]').length === 5, null, { timeout: wait })
  assert.ok(await p.isHidden('.dockbody'))
  await p.click('.docktab >> nth=1')
  await says(p, /^still here$/m)
  await p.setViewportSize({ width: 375, height: 812 })
  await p.waitForFunction(() => document.documentElement.scrollWidth <= 375)
  await p.keyboard.type('echo small\r')
  await says(p, /^small$/m)
  for (let i = 6; i > 0; i--) await p.click('.docktab .dockclose >> nth=0')
  await until(() => mine() === 0, wait)
  await done(c)
})

test('R9: from the login to an undo without a mouse', async () => {
  await node.pod('shop', 'keys', { containers: ['main'] })
  node.log('shop/keys/main', ['started', 'error 17', 'listening'])
  await server.create('/api/v1/namespaces/shop/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'keys', namespace: 'shop' }, data: { level: 'info' } })
  const c = await context()
  await unhurried(c)
  const p = await c.newPage()
  await p.goto(server.url + '/login')
  let pressed = 0
  const key = async (k) => { pressed++; await p.keyboard.press(k) }
  const text = async (s) => { pressed++; await p.keyboard.insertText(s) }
  const focused = (selector) => p.waitForFunction((s) => document.activeElement?.matches(s), selector)
  for (let i = 0; i < 6 && !await p.evaluate(() => document.activeElement.matches('#token')); i++) await key('Tab')
  await text('token-admin')
  await key('Tab')
  await key('Enter')
  await p.waitForURL((u) => u.pathname.startsWith('/ui/'))
  await key('g')
  await key('p')
  await p.waitForURL(/pods/)
  await live(p)
  await key('/')
  await text('keys')
  await until(async () => await p.textContent('[data-testid=count]') === '1', wait)
  await key('Enter')
  await focused('a[data-open]')
  await key('Enter')
  await p.waitForSelector('#panel [data-object]')
  await key('l')
  await p.waitForSelector('#panel .lr')
  await key('/')
  await focused('#panel [data-log=find]')
  await text('/error \\d+/')
  await p.waitForSelector('#panel .lr mark')
  await key('Escape') // the regular expression goes
  await key('Escape') // and the focus
  await key('s')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, '/ #')
  await text('echo by hand')
  await key('Enter')
  await says(p, /^by hand$/m)
  await key('Shift+Escape')
  await p.waitForFunction(() => !document.activeElement?.closest('.xterm'))
  await key('Control+k')
  await text('configmaps keys')
  await p.waitForSelector('#palette [role=option][aria-selected=true] >> text=configmaps keys')
  await key('Enter')
  await p.waitForURL(/configmaps\?q=keys/)
  await live(p)
  await key('j')
  await key('e')
  await p.waitForSelector('.cm-content')
  await focused('.cm-content')
  await key('Control+a')
  await text('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys, namespace: shop}\ndata: {level: debug}\n')
  await key('Control+s')
  await p.waitForSelector('.diff .ins')
  await key('Control+s')
  await p.waitForURL(/tab=yaml/)
  await key('Delete')
  await p.waitForURL(/delete=1/)
  for (let i = 0; i < 12 && !await p.evaluate(() => document.activeElement.matches('[data-testid=confirm]')); i++) await key('Tab')
  await key('Enter')
  await p.waitForURL(/configmaps$/)
  await p.waitForSelector('[data-work=held] [data-undo]')
  await key('u')
  await p.waitForSelector('[data-work=kept]')
  assert.equal((await server.api('GET', '/api/v1/namespaces/shop/configmaps/keys')).data.level, 'debug')
  figure('R9 from the login to an undo', pressed, 60, { unit: 'keys' })
  await done(c)
})

test('R8: axe finds nothing in the dock', async () => {
  const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
  for (const [theme, width] of [['dark', 1440], ['light', 375]]) {
    const c = await context({ viewport: { width, height: 800 }, bypassCSP: true })
    await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
    const p = await openShell(c)
    await p.keyboard.press('Shift+Escape')
    await p.click('.tabs >> text=Logs')
    await p.click('#main [data-dock=logs]')
    await p.waitForSelector('.dockpane.logs:not([hidden]) [data-logs]', { timeout: wait })
    for (const n of [0, 1]) {
      await p.click(`.docktab >> nth=${n}`)
      const found = await p.evaluate(async (source) => {
        if (!window.axe) (0, eval)(source)
        const r = await axe.run('#dock', { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join('; ')}`)
      }, axe)
      assert.deepEqual(found, [], theme)
    }
    c.faults = []
    await done(c)
  }
})

test('R21: a debug container is added and attached to', async () => {
  await node.pod('shop', 'bare', { containers: ['only'] })
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods/bare?tab=shell')
  await live(p)
  await p.selectOption('[data-debug] [name=target]', 'only')
  await p.click('[data-debug] button')
  const name = await until(async () => (await server.api('GET', '/api/v1/namespaces/shop/pods/bare')).spec.ephemeralContainers?.[0]?.name, wait)
  await server.api('PATCH', '/api/v1/namespaces/shop/pods/bare/status', { status: { ephemeralContainerStatuses: [{ name, image: 'i', imageID: '', ready: false, restartCount: 0, state: { running: {} } }] } }, 'application/strategic-merge-patch+json')
  await says(p, 'attached')
  await done(c)
})

test('R24: a shell ends with the session, and needs the right to exec', async () => {
  const c = await context()
  const mine = opened()
  const p = await openShell(c)
  assert.equal(mine(), 1)
  await p.evaluate(async () => {
    const form = document.querySelector('form[action="/logout"]')
    await fetch('/logout', { method: 'POST', body: new URLSearchParams(new FormData(form)), redirect: 'manual' })
  })
  await until(() => mine() === 0, wait)
  await says(p, 'Your session has ended')
  await p.waitForSelector('#login[open]')
  await done(c)
  const other = await context()
  const q = await login(server, other, 'token-dev', '/ui/whoami')
  await q.evaluate(() => sessionStorage.setItem('dock', JSON.stringify({ active: 0, tabs: [{ kind: 'shell', title: 'web', target: { ns: 'shop', pod: 'web', container: 'main' } }] })))
  await q.reload()
  await says(q, /User "dev" cannot (get|create) resource "pods\/exec"/)
  await done(other)
})

test('R24: pages of other origins and people without a session get no shell', async () => {
  const c = await context()
  const p = await login(server, c)
  const [cookie] = (await c.cookies()).filter((k) => k.name.startsWith('pilothouse-' + server.port))
  const { request } = await import('node:http')
  const shake = (headers) => new Promise((ok) => {
    const r = request(`${server.url}/ui/terminal?ns=shop&pod=web`, { headers: { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', ...headers } })
    r.on('upgrade', (_, s) => { s.destroy(); ok(101) })
    r.on('response', (a) => { a.resume(); ok(a.statusCode) })
    r.on('error', () => ok(0))
    r.end()
  })
  const mine = `${cookie.name}=${cookie.value}`
  assert.equal(await shake({ Cookie: mine, Origin: server.url }), 101)
  assert.equal(await shake({ Cookie: mine, Origin: 'http://evil.example' }), 403)
  assert.equal(await shake({ Cookie: mine }), 403)
  assert.equal(await shake({ Origin: server.url }), 401)
  await done(c)
})
