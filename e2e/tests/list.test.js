// The live list: R1 to R6 of the dashboard's requirements.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { addPod, cluster } from '../fixture.js'
import { Server, context, done, figure, live, login, quiet, quit, until } from '../harness.js'

let server, fixture
const pods = 600

before(async () => {
  server = await Server.start()
  fixture = await cluster(server, pods)
})
after(async () => {
  await quit()
  await server.stop()
})

const names = (page) => page.$$eval('[data-body] tr[data-uid] td.name', (l) => l.map((td) => td.textContent))

test('R1: the first paint is HTML of the server, without scripts', async () => {
  const c = await context({ javaScriptEnabled: false })
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  assert.ok((await page.$$('[data-body] tr')).length >= 60)
  assert.equal(await page.textContent('[data-testid=count]'), String(pods))
  await page.click('a[rel=next]')
  assert.match(page.url(), /page=2/)
  assert.equal(await page.getAttribute('[data-body] tr', 'aria-rowindex'), '102')
  await page.click('th >> text=Restarts')
  assert.match(page.url(), /sort=restarts/)
  await page.fill('#filter', '-l app=cart')
  await page.click('.filter button')
  await page.waitForURL(/q=/)
  assert.ok((await names(page)).every((n) => n.startsWith('cart-')))
  await done(c)
})

test('R1: nothing jumps when the scripts of a page begin, and without them the navigation is there', async () => {
  const pod = fixture.pods[0].metadata
  const object = `/ui/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`
  const routes = ['/ui/', '/ui/api/v1/pods', object, object + '?tab=yaml', '/ui/explore']
  for (const viewport of [{ width: 375, height: 812 }, { width: 1440, height: 900 }]) {
    const c = await context({ viewport })
    await c.addInitScript(() => {
      window.shifted = 0
      new PerformanceObserver((l) => { for (const e of l.getEntries()) window.shifted += e.value }).observe({ type: 'layout-shift', buffered: true })
    })
    const page = await login(server, c)
    for (const path of routes) {
      await page.goto(server.url + path)
      await page.waitForSelector('html.js')
      await quiet(page)
      figure(`R1 layout shift of ${path.replace(object, 'a pod')} at ${viewport.width} px`, await page.evaluate(() => window.shifted) * 1000, 20, { unit: 'thousandths' })
    }
    await done(c)
  }
  const without = await context({ viewport: { width: 375, height: 812 }, javaScriptEnabled: false })
  const page = await login(server, without)
  assert.ok(await page.isVisible('.nav >> text=Pods'))
  await done(without)
})

test('R1: a list costs few bytes and requests', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/')
  const measure = async () => {
    const cdp = await c.newCDPSession(page)
    await cdp.send('Network.enable')
    let bytes = 0, requests = 0
    const own = new Set() // not what the page before still loads
    cdp.on('Network.requestWillBeSent', (e) => own.add(e.requestId))
    cdp.on('Network.loadingFinished', (e) => { if (own.has(e.requestId)) { bytes += e.encodedDataLength; requests++ } })
    cdp.on('Network.webSocketFrameReceived', (e) => { bytes += e.response.payloadData.length })
    await page.goto(server.url + '/ui/api/v1/pods')
    await live(page)
    await quiet(page)
    await cdp.detach()
    return { bytes, requests }
  }
  await (await c.newCDPSession(page)).send('Network.clearBrowserCache')
  const cold = await measure()
  figure('R1 list, cold', cold.bytes, 60_000, { unit: 'bytes' })
  figure('R1 list, cold', cold.requests, 6, { unit: 'requests' })
  const warm = await measure()
  figure('R1 list, warm', warm.bytes, 20_000, { unit: 'bytes' })
  await done(c)
})

test('R2: sort and filter work over all objects, on the server', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  await page.click('th >> text=Restarts')
  await page.click('th >> text=Restarts')
  const restarts = (p) => p.status.containerStatuses.reduce((n, s) => n + s.restartCount, 0)
  const most = Math.max(...(await server.api('GET', '/api/v1/pods')).items.map(restarts))
  await until(async () => (await page.textContent('[data-body] tr td:nth-child(6)')).startsWith(`${most} (`))
  await page.fill('#filter', '-l app=cart,tier in (web)')
  const expected = (await server.api('GET', '/api/v1/pods?labelSelector=' + encodeURIComponent('app=cart,tier in (web)'))).items.length
  await until(async () => await page.textContent('[data-testid=count]') === String(expected))
  await page.fill('#filter', '-f status.phase!=Running')
  const off = (await server.api('GET', '/api/v1/pods?fieldSelector=' + encodeURIComponent('status.phase!=Running'))).items.length
  await until(async () => await page.textContent('[data-testid=count]') === String(off))
  const before = await names(page)
  await page.fill('#filter', '-l app=(')
  await page.waitForSelector('[data-problem]:not([hidden])')
  assert.deepEqual(await names(page), before, 'an invalid selector keeps the rows')
  await page.fill('#filter', '!cart web')
  await until(async () => !(await page.isVisible('[data-problem]')))
  assert.ok((await names(page)).every((n) => !n.includes('cart')))
  await done(c)
})

test('R3: the address is the state', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  await page.click('th >> text=Name')
  await page.fill('#filter', '-l app=billing')
  await until(async () => (await names(page)).every((n) => n.startsWith('billing')))
  await page.press('#filter', 'Enter')
  const text = (await names(page)).join()
  const address = page.url()
  await page.reload()
  await live(page)
  assert.equal((await names(page)).join(), text)
  await page.click('.nav >> text=Deployments')
  await page.waitForURL(/deployments/)
  await page.goBack()
  await page.waitForURL(address)
  await until(async () => (await names(page)).join() === text)
  const other = await context()
  const copied = await login(server, other, 'token-admin', address.slice(server.url.length))
  await live(copied)
  assert.equal((await names(copied)).join(), text)
  await done(other)
  await done(c)
})

test('R4: rows are windowed and do not move under the reader', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  const scroller = page.locator('[data-scroll]')
  await scroller.evaluate((s) => { s.scrollTop = 28 * 300 })
  await until(async () => Number(await page.getAttribute('[data-body] tr', 'aria-rowindex')) > 200)
  await quiet(page)
  assert.ok((await page.$$('table.list tr')).length <= 150)
  assert.equal(await page.getAttribute('table.list', 'aria-rowcount'), String(pods + 1))
  const box = await scroller.boundingBox()
  await page.mouse.move(box.x + 300, box.y + 300)
  const under = () => page.evaluate(([x, y]) => {
    const tr = document.elementFromPoint(x, y).closest('tr')
    return [tr.dataset.uid, tr.getBoundingClientRect().top]
  }, [box.x + 300, box.y + 300])
  await quiet(page)
  const before = await under()
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'aaa' } })
  await server.create('/api/v1/namespaces/aaa/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }).catch(() => {})
  await server.many(100, (i) => server.create('/api/v1/namespaces/aaa/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: `new-${i}` }, spec: { containers: [{ name: 'c', image: 'i' }] } }))
  await until(async () => await page.textContent('[data-testid=count]') === String(pods + 100))
  await quiet(page)
  const now = await under()
  assert.equal(now[0], before[0])
  assert.ok(Math.abs(now[1] - before[1]) < 1, `moved by ${now[1] - before[1]}`)
  assert.match(await page.textContent('[data-pill]'), /100 new/)
  const indexes = await page.$$eval('[data-body] tr[data-uid]', (l) => l.map((tr) => Number(tr.getAttribute('aria-rowindex'))))
  assert.ok(indexes.every((n, i) => n === indexes[0] + i))
  await done(c)
  await server.many(100, (i) => server.api('DELETE', `/api/v1/namespaces/aaa/pods/new-${i}`))
})

test('R5: a change reaches its row only, over one socket', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/payments/pods')
  await live(page)
  let sockets = 0
  page.on('websocket', () => sockets++)
  await page.reload()
  await live(page)
  const first = await page.$eval('[data-body] tr', (tr) => tr.querySelector('td.name').textContent)
  await page.evaluate(() => {
    window.touched = new Set()
    new MutationObserver((list) => {
      for (const m of list) {
        const tr = (m.target.nodeType === 1 ? m.target : m.target.parentElement).closest('tr')
        if (m.target.closest?.('time')) continue
        window.touched.add(tr?.dataset.uid ?? m.target.nodeName)
      }
    }).observe(document.querySelector('[data-body]'), { childList: true, subtree: true, attributes: true })
  })
  const times = []
  for (let i = 0; i < 20; i++) {
    const seen = page.evaluate((i) => new Promise((ok) => {
      const look = () => (document.querySelector('[data-body] tr').innerText.includes(`${i} (`) ? requestAnimationFrame(() => ok(Date.now())) : requestAnimationFrame(look))
      look()
    }), i + 20)
    await page.waitForTimeout(60)
    const began = Date.now()
    await server.api('PATCH', `/api/v1/namespaces/payments/pods/${first}/status`, { status: { containerStatuses: [{ name: (await name(first)), image: 'i', imageID: '', ready: true, restartCount: i + 20, state: { running: { startedAt: '2026-01-01T00:00:00Z' } }, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:00:00Z' } } }] } }, 'application/strategic-merge-patch+json')
    times.push(await seen - began)
  }
  times.sort((a, b) => a - b)
  figure('R5 event to pixel, p50', times[10], 100, { slack: 100 })
  figure('R5 event to pixel, p95', times[18], 100, { slack: 200 })
  const touched = await page.evaluate(() => [...window.touched])
  assert.equal(touched.length, 1, touched.join())
  await page.click('.nav >> text=Services')
  await page.waitForURL(/services/)
  await page.click('.nav >> text=Pods')
  await page.waitForURL(/pods/)
  await live(page)
  assert.equal(sockets, 1)
  await done(c)
})

const name = async (pod) => (await server.api('GET', `/api/v1/namespaces/payments/pods/${pod}`)).spec.containers[0].name

test('R4: a deleted row stands for a moment, and the focus goes to its neighbour', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/platform/pods')
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'j')
  const name = await page.evaluate(() => document.activeElement.textContent)
  await server.api('DELETE', `/api/v1/namespaces/platform/pods/${name}`)
  await page.waitForSelector('tr.gone')
  assert.match(await page.textContent('tr.gone'), new RegExp(name))
  await page.waitForSelector('tr.gone', { state: 'detached' })
  assert.ok(await page.evaluate(() => document.activeElement.closest('tr[data-uid]')))
  await done(c)
})

test('R6: it is never silently stale', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods')
  await live(page)
  const shown = await names(page)
  await server.kill()
  const died = Date.now()
  await page.waitForSelector('#live[data-state=lost]')
  figure('R6 shown as stale', Date.now() - died, 1000, { slack: 30 })
  assert.match(await page.textContent('#live'), /reconnecting, data from \d\d:\d\d:\d\d/)
  assert.deepEqual(await names(page), shown)
  await server.run()
  for (let i = 0; i < 3; i++) await addPod(server, 'shop', 'cart', 9000 + i)
  for (const n of shown.slice(0, 2)) await server.api('DELETE', `/api/v1/namespaces/shop/pods/${n}`)
  await live(page)
  const expected = (await server.api('GET', '/api/v1/namespaces/shop/pods')).items.map((p) => p.metadata.name).sort()
  await until(async () => await page.textContent('[data-testid=count]') === String(expected.length))
  await until(async () => {
    const now = await names(page)
    return now.length > 0 && now.join() === expected.slice(0, now.length).join()
  })
  await done(c)
})
