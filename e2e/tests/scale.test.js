// R1, R2, R4, R5 and R7 with many objects: what it costs to look at 5,000 pods,
// and to look on while they change.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

const pods = Number(process.env.PODS ?? 2000)

let server, fixture
before(async () => {
  server = await Server.start()
  fixture = await cluster(server, pods)
})
after(async () => {
  await quit()
  await server.stop()
})

test('the first row of many is there as soon as that of few', async () => {
  const c = await context()
  const page = await login(server, c)
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  let bytes = 0
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  cdp.on('Network.webSocketFrameReceived', (e) => { bytes += e.response.payloadData.length })
  const began = Date.now()
  await page.goto(server.url + '/ui/api/v1/pods', { waitUntil: 'commit' })
  await page.waitForSelector('[data-body] tr td.name')
  const first = Date.now() - began
  await live(page)
  assert.equal(await page.textContent('[data-testid=count]'), pods.toLocaleString('en'))
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length)
  assert.ok(first < 1500, `first row after ${first} ms`)
  assert.ok(bytes < 60_000, `${bytes} bytes`)
  assert.ok(nodes <= 2500, `${nodes} elements`)
  await done(c)
})

test('rows come while one scrolls from end to end', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  for (const at of [0.5, 0.98, 0.1, 1]) {
    await page.evaluate((at) => { const s = document.querySelector('[data-scroll]'); s.scrollTop = s.scrollHeight * at }, at)
    await until(() => page.evaluate(() => {
      const s = document.querySelector('[data-scroll]').getBoundingClientRect()
      return document.elementFromPoint(s.left + 300, s.top + s.height / 2)?.closest('tr[data-uid]') !== null
    }), 2000)
    assert.ok(await page.evaluate(() => document.querySelectorAll('table.list tr').length) <= 150)
  }
  await until(async () => Number(await page.$eval('[data-body] tr:last-child', (tr) => tr.getAttribute('aria-rowindex'))) === pods + 1)
  await done(c)
})

test('an order and a filter over all rows come at once', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  await page.click('th >> text=Restarts')
  const times = []
  for (const q of ['cart', 'billing tier=web', '-l app=billing', 'Running', '']) {
    const expected = await page.evaluate(() => document.querySelector('[data-testid=count]').textContent)
    const began = await page.evaluate(() => performance.now())
    const seen = page.evaluate((was) => new Promise((ok) => {
      const look = () => (document.querySelector('[data-testid=count]').textContent !== was ? requestAnimationFrame(() => ok(performance.now())) : requestAnimationFrame(look))
      look()
    }), expected)
    await page.fill('#filter', q)
    times.push(await seen - began)
  }
  times.sort((a, b) => a - b)
  assert.ok(times[2] < 500, `filters took ${times.map(Math.round)} ms`)
  await done(c)
})

test('a list at 200 changes a second stays quick and small', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods')
  await live(page)
  await page.evaluate(() => {
    window.long = []
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.long.push(Math.round(e.duration)) }).observe({ type: 'longtask' })
  })
  let frames = 0
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  const heap = async () => {
    await cdp.send('HeapProfiler.collectGarbage')
    return (await cdp.send('Runtime.getHeapUsage')).usedSize
  }
  const before = await heap()
  cdp.on('Network.webSocketFrameReceived', () => frames++)
  const targets = fixture.pods.filter((p) => p.metadata.namespace === 'shop').slice(0, 200)
  const seconds = 8
  const end = Date.now() + seconds * 1000
  let n = 0
  while (Date.now() < end) {
    const tick = Date.now()
    await server.many(20, (i) => server.api('PATCH', `/api/v1/namespaces/shop/pods/${targets[(n + i) % targets.length].metadata.name}`, { metadata: { labels: { n: String(n) } } }, 'application/merge-patch+json'))
    n += 20
    await new Promise((ok) => setTimeout(ok, Math.max(0, 100 - (Date.now() - tick))))
  }
  const long = await page.evaluate(() => window.long)
  assert.ok(frames / seconds <= 22, `${frames / seconds} messages a second for ${n / seconds} changes`)
  assert.ok(Math.max(0, ...long) < 250, `long tasks of ${long} ms`)
  const grown = await heap() - before
  assert.ok(grown < 10 << 20, `the heap grew by ${grown} bytes`)
  await done(c)
})
