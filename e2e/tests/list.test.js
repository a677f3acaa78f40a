// The live list: R1 to R6 of the dashboard's requirements.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { addPod, cluster } from '../fixture.js'
import { Server, context, done, figure, here, live, login, quiet, quit, steady, until } from '../harness.js'
import { Wire } from '../wire.js'

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
  // The one with the most is the last of all, far below what is loaded.
  const { metadata, spec } = fixture.pods.reduce((a, b) => (a.metadata.namespace + ' ' + a.metadata.name > b.metadata.namespace + ' ' + b.metadata.name ? a : b))
  assert.ok(!(await names(page)).includes(metadata.name))
  await server.api('PATCH', `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/status`, { status: { containerStatuses: [{ name: spec.containers[0].name, restartCount: 99, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:00:00Z' } } }] } }, 'application/strategic-merge-patch+json')
  await page.click('th >> text=Restarts')
  await page.click('th >> text=Restarts')
  await until(async () => (await names(page))[0] === metadata.name)
  const restarts = (p) => p.status.containerStatuses.reduce((n, s) => n + s.restartCount, 0)
  const most = Math.max(...(await server.api('GET', '/api/v1/pods')).items.map(restarts))
  await until(async () => (await page.textContent('[data-body] tr td:nth-child(6)')).startsWith(`${most} (`))
  await page.fill('#filter', '-l app=cart,tier in (web)')
  const expected = (await server.api('GET', '/api/v1/pods?labelSelector=' + encodeURIComponent('app=cart,tier in (web)'))).items.length
  await until(async () => await page.textContent('[data-testid=count]') === String(expected))
  // As many as kubectl get gives for the same selectors, whatever these say.
  const { name, namespace } = fixture.pods[7].metadata
  for (const [labels, fields] of [
    ['app!=cart', ''], ['app==cart', ''], ['app notin (cart, billing),tier=web', ''], ['tier', ''], ['!tier', ''], ['app,!canary,tier in (web,data)', ''], ['app in (cart),app notin (cart)', ''],
    ['', 'status.phase!=Running'], ['', 'spec.nodeName=node-03,status.phase=Running'], ['', `metadata.name=${name}`], ['', `metadata.namespace!=${namespace}`], ['app=cart', 'spec.nodeName!=node-03'],
  ]) {
    const expected = (await server.api('GET', '/api/v1/pods?' + new URLSearchParams({ labelSelector: labels, fieldSelector: fields }))).items.length
    await page.fill('#filter', `${labels && '-l ' + labels} ${fields && '-f ' + fields}`)
    await until(async () => await page.textContent('[data-testid=count]') === String(expected)).catch((e) => { throw new Error(`-l ${labels} -f ${fields}: ${expected}`, { cause: e }) })
  }
  await page.fill('#filter', 'billing')
  await until(async () => (await names(page)).every((n) => n.startsWith('billing-')))
  const before = await names(page)
  for (const [wrong, why] of [['-l app=(', /label selector: /], ['-l app in cart', /label selector: .*cart/], ['-l app in (cart', /label selector: /], ['-l', /-l needs/], ['-f Running', /field selector: /], ['-f status.nothing=1', /status\.nothing/]]) {
    await page.fill('#filter', wrong)
    await page.waitForSelector(`[data-problem]:not([hidden]):text-matches(${JSON.stringify(why.source)})`)
    assert.deepEqual(await names(page), before, `${wrong} keeps the rows`)
  }
  await page.fill('#filter', '!cart web')
  await until(async () => !(await page.isVisible('[data-problem]')))
  await until(async () => (await names(page)).some((n) => !n.startsWith('billing-')))
  assert.ok((await names(page)).every((n) => !n.includes('cart')))
  await done(c)
})

test('R2: a label leads to all that have it, in a new tab too', async () => {
  const c = await context()
  const { namespace, name, labels } = fixture.pods[0].metadata
  const page = await login(server, c, 'token-admin', `/ui/api/v1/namespaces/${namespace}/pods/${name}`)
  const expected = String((await server.api('GET', `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${labels.app}`)).items.length)
  const [other] = await Promise.all([c.waitForEvent('page'), page.click(`a >> text="app=${labels.app}"`, { modifiers: ['Control'] })])
  await live(other)
  assert.match(page.url(), new RegExp(name))
  assert.equal(await other.inputValue('#filter'), `-l app=${labels.app}`)
  assert.equal((await other.textContent('[data-count]')).split(' ')[0], expected)
  await other.close()
  await page.click(`a >> text="app=${labels.app}"`)
  await live(page)
  assert.equal(await page.inputValue('#filter'), `-l app=${labels.app}`)
  await until(async () => (await page.textContent('[data-count]')).split(' ')[0] === expected)
  // So do those of a list, which stays as it is otherwise.
  await page.goto(server.url + `/ui/api/v1/pods?ns=${namespace},platform&cols=name,label:app,label:tier&q=-l+tier%3Dweb`)
  await live(page)
  const cell = `[data-body] tr td a:text-is("${labels.app}") >> nth=0`
  const [beside] = await Promise.all([c.waitForEvent('page'), page.click(cell, { modifiers: ['Control'] })])
  await live(beside)
  await page.click(cell)
  await page.waitForURL(/app%3D/)
  await live(page)
  const both = new Set([namespace, 'platform'])
  const few = String((await server.api('GET', `/api/v1/pods?labelSelector=tier%3Dweb,app%3D${labels.app}`)).items.filter((p) => both.has(p.metadata.namespace)).length)
  for (const p of [page, beside]) {
    assert.equal(await p.inputValue('#filter'), `-l tier=web -l app=${labels.app}`)
    await until(async () => (await p.textContent('[data-count]')).split(' ')[0] === few)
  }
  await done(c)
})

// said is the text of a page, without ages.
const said = (page) => page.evaluate(() => ['#crumbs', '#main', '#panel'].map((part) => {
  const copy = document.querySelector(part).cloneNode(true)
  for (const t of copy.querySelectorAll('time,[hidden],.pad,script')) t.remove()
  return copy.textContent.replace(/\s+/g, '')
}).join('\n'))

test('R3: everything that is chosen is in the address, which says the same to whoever opens it', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  const states = [] // what each step showed
  const keep = async () => {
    const url = await here(page)
    const copy = await c.newPage()
    await copy.goto(url)
    let text
    await until(async () => (text = await said(page)) === await said(copy)).catch(async () => assert.equal(await said(page), await said(copy), url))
    await copy.close()
    states.push([url, text])
  }
  await page.goto(server.url + '/ui/api/v1/pods?ns=shop,payments&except=1&cols=name,node,label:team,.spec.nodeName')
  await keep()
  for (let i = 0; i < 2; i++) {
    await page.click('th >> text=Node >> nth=0')
    await keep()
  }
  await page.fill('#filter', '-l app in (billing,cart) !proxy')
  await page.press('#filter', 'Enter')
  await keep()
  await page.click('[data-body] tr >> nth=3 >> td.name a')
  await page.waitForSelector('#panel [data-object]')
  await keep()
  await page.click('#panel [data-tab] >> text=YAML')
  await page.waitForSelector('#panel [data-testid=yaml]')
  await keep()
  const again = async ([url, text]) => {
    await until(async () => await here(page) === url).catch((e) => { throw new Error(url, { cause: e }) })
    await until(async () => await said(page) === text).catch(async () => assert.equal(await said(page), text, url))
  }
  for (const s of states.slice(0, -1).reverse()) {
    await page.goBack()
    await again(s)
  }
  for (const s of states.slice(1)) {
    await page.goForward()
    await again(s)
  }
  const [address, text] = [await here(page), await said(page)]
  for (const part of ['ns=', 'except=1', 'cols=', 'sort=node', 'desc=1', 'q=', 'sel=', 'tab%3Dyaml']) assert.ok(address.includes(part), `${address} lacks ${part}`)
  const same = async (p) => {
    await p.waitForSelector('#panel [data-testid=yaml]')
    await live(p)
    await until(async () => await said(p) === text).catch(async () => assert.equal(await said(p), text))
  }
  await page.reload()
  await same(page)
  await page.click('.nav >> text=Services')
  await page.waitForURL(/services/)
  await page.goBack()
  await same(page)
  await page.goForward()
  await page.waitForURL(/services/)
  await page.goBack()
  await same(page)
  // Somebody else gets the link, and logs in first.
  const other = await context()
  const copied = await other.newPage()
  await copied.goto(address)
  assert.equal(new URL(copied.url()).pathname, '/login')
  await copied.fill('#token', 'token-admin')
  await copied.click('[data-testid=login]')
  await same(copied)
  assert.equal(copied.url(), address)
  await done(other)
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
  const address = await here(page)
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

test('R5: a change reaches its row only, over one socket', async () => {
  const c = await context()
  const kept = await steady(c)
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
        const el = m.target.nodeType === 1 ? m.target : m.target.parentElement
        if (!el || el.closest('time')) continue // ages count on
        window.touched.add(el.closest('tr')?.dataset.uid ?? m.target.nodeName)
      }
    }).observe(document.querySelector('[data-body]'), { childList: true, subtree: true, attributes: true, characterData: true })
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
  assert.notEqual(await page.$eval('[data-body] tr td.flash', (td) => getComputedStyle(td).animationName), 'none')
  const touched = await page.evaluate(() => [...window.touched])
  assert.equal(touched.length, 1, touched.join())
  // A list, the object beside it and the overview: all over the same one.
  await page.click('[data-body] tr >> nth=1 >> td.name a')
  await page.waitForSelector('#panel [data-object]')
  await page.click('.nav >> text=Services')
  await page.waitForURL(/services/)
  await page.click('.brand')
  await page.waitForURL((u) => u.pathname === '/ui/')
  await page.click('.nav >> text=Pods')
  await page.waitForURL(/pods/)
  await live(page)
  if (await kept(page)) assert.equal(sockets, 1)
  await done(c)
})

const name = async (pod) => (await server.api('GET', `/api/v1/namespaces/payments/pods/${pod}`)).spec.containers[0].name

test('R4: what is selected is the object, whatever becomes of its row', async () => {
  const pods = '/api/v1/namespaces/team-blue/pods'
  const create = (name) => server.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  await create('zz-chosen')
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui' + pods + '?q=zz-')
  await live(page)
  const box = (name) => page.locator('[data-body] tr:not(.gone)', { hasText: name }).locator('input')
  await box('zz-chosen').check()
  await server.api('PATCH', pods + '/zz-chosen', { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json')
  await server.api('PATCH', pods + '/zz-chosen/status', { status: { containerStatuses: [{ name: 'c', restartCount: 7 }] } }, 'application/strategic-merge-patch+json')
  for (let i = 0; i < 3; i++) await create('zz-before-' + i)
  await until(async () => await page.textContent('[data-testid=count]') === '4')
  await page.waitForSelector('[data-body] tr:has-text("zz-chosen") >> text="7"')
  assert.ok(await box('zz-chosen').isChecked())
  assert.equal(await page.$$eval('[data-body] input:checked', (l) => l.length), 1)
  assert.equal(await page.textContent('[data-selected]'), '1')
  // Another object of the same name is another object.
  await server.api('DELETE', pods + '/zz-chosen')
  const { metadata: { uid } } = await create('zz-chosen')
  await page.waitForSelector(`[data-body] tr[data-uid="${uid}"]`)
  await until(async () => await page.textContent('[data-testid=count]') === '4')
  assert.ok(!await box('zz-chosen').isChecked())
  assert.ok(await page.isHidden('[data-bulk]'))
  await done(c)
})

test('R4: a deleted row stands for a moment, and the focus goes to its neighbour', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/platform/pods')
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'j')
  const [name, next] = await page.evaluate(() => {
    const tr = document.activeElement.closest('tr')
    new MutationObserver((_, o) => {
      if (tr.isConnected && tr.classList.contains('gone')) {
        window.left ??= performance.now()
        window.gone ??= [tr.textContent, getComputedStyle(tr.querySelector('td.name')).textDecorationLine]
      }
      if (!tr.isConnected) { o.disconnect(); window.stood = performance.now() - window.left }
    }).observe(document.querySelector('[data-body]'), { childList: true, subtree: true, attributes: true })
    return [document.activeElement.textContent, tr.nextElementSibling.dataset.uid]
  })
  await server.api('DELETE', `/api/v1/namespaces/platform/pods/${name}`)
  const stood = await until(() => page.evaluate(() => window.stood)) // nobody may look in just these seconds
  const [text, line] = await page.evaluate(() => window.gone)
  assert.match(text, new RegExp(name))
  assert.equal(line, 'line-through')
  assert.ok(stood > 2900, `it stood for ${stood} ms`)
  assert.equal(await page.evaluate(() => document.activeElement.closest('tr').dataset.uid), next)
  await done(c)
})

// offline makes changes while a page cannot see them, and gives what a fresh list
// is to show: create 3, delete 2, modify 1.
async function offline(shown, i) {
  for (let k = 0; k < 3; k++) await addPod(server, 'shop', 'cart', i + k)
  for (const n of shown.slice(0, 2)) await server.api('DELETE', `/api/v1/namespaces/shop/pods/${n}`)
  const changed = await server.api('GET', `/api/v1/namespaces/shop/pods/${shown[4]}`)
  await server.api('PATCH', `/api/v1/namespaces/shop/pods/${shown[4]}/status`, { status: { containerStatuses: [{ name: changed.spec.containers[0].name, restartCount: i }] } }, 'application/strategic-merge-patch+json')
}

// fresh waits until a page shows what a fresh one does; it gives the time that it took.
async function fresh(c, page) {
  const began = Date.now()
  const copy = await c.newPage()
  await copy.goto(page.url())
  const text = (p) => p.$$eval('[data-body] tr[data-uid]', (l) => l.slice(0, 60).map((tr) => [tr.dataset.uid, ...[...tr.cells].filter((td) => !td.querySelector('time')).map((td) => td.textContent)].join(' ')).join('\n'))
  const state = async (p) => [await text(p), await p.textContent('[data-testid=count]')].join('\n')
  let expected = await state(copy)
  await until(async () => {
    if (await state(page) === expected) return true
    await copy.reload() // pods may have gone meanwhile
    expected = await state(copy)
    return false
  }).catch(async () => assert.equal(await state(page), expected))
  await copy.close()
  return Date.now() - began
}

// back gives how long a page took to be live again, by its own clock.
const back = (page) => page.evaluate(() => new Promise((ok) => {
  const began = Date.now()
  const look = () => (document.querySelector('#live').dataset.state === 'live' ? ok(Date.now() - began) : setTimeout(look, 10))
  look()
}))

test('R6: a connection that was cut, or that carries nothing more, is told and made again', async (t) => {
  const c = await context()
  const wire = await Wire.to(server)
  t.after(() => wire.stop())
  await c.addInitScript(() => { // silence is noticed in half the time
    const now = performance.now.bind(performance)
    performance.now = () => 2 * now()
  })
  const page = await login({ url: wire.url }, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods')
  await live(page)
  const opened = []
  page.on('websocket', (ws) => ws.on('framesent', (f) => opened.push(f.payload)))
  const shown = await names(page)
  wire.cut()
  const died = Date.now()
  await page.waitForSelector('#live[data-state=lost]')
  figure('R6 a cut is shown', Date.now() - died, 1000, { slack: 30 })
  assert.match(await page.textContent('#live'), /reconnecting, data from \d\d:\d\d:\d\d/)
  await until(async () => /reconnecting, data from/.test(await page.textContent('#said')))
  await offline(shown, 8000)
  wire.mend()
  figure('R6 live after the network is back', await back(page), 5000, { slack: 11 })
  figure('R6 the same as a fresh list after the network is back', await fresh(c, page), 5000, { slack: 11 })
  const again = JSON.parse(opened.find((m) => m.includes('"open"')))
  assert.deepEqual(again.have.map((one) => one.split(' ').length), Array(again.have.length).fill(2), 'it says which versions it has')
  assert.ok(again.have.length >= 60)
  // Nothing closes this one: it is noticed since nothing comes.
  wire.stall()
  await page.waitForSelector('#live[data-state=lost]', { timeout: 90_000 })
  wire.mend()
  await live(page)
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
  const returned = back(page)
  await offline(shown, 9000)
  figure('R6 live after the server is back', await returned, 5000, { slack: 11 })
  await fresh(c, page)
  await done(c)
})
