// R1, R2, R4, R5 and R7 with many objects: what it costs to look at 5,000 pods,
// and to look on while they change. PODS=5000 is the requirements' fixture, and
// PODS=50000 that of the goals for ten times as many; the suite takes fewer, so
// that it is done soon on small machines.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import { cluster } from '../fixture.js'
import { Server, context, done, figure, live, login, quiet, quit, steady, tasks, until } from '../harness.js'

const pods = Number(process.env.PODS ?? 1000)
// R7 asks for 500 changes a second for a minute: CHURN=60.
const seconds = Number(process.env.CHURN ?? 8)
const rate = Number(process.env.RATE ?? 500)
// What an order or a filter may take from the key to the pixel.
const atOnce = pods > 5000 ? 250 : 100
const count = pods.toLocaleString('en')
const list = '/ui/api/v1/pods'

let server, fixture
before(async () => {
  server = await Server.start()
  fixture = await cluster(server, pods)
})
after(async () => {
  await quit()
  await server.stop()
})

// probe takes down when a page shows its first row, from the moment that it was
// asked for, and whether there was anything before that says to wait.
const probe = (c) => c.addInitScript(() => {
  const look = () => {
    if (document.querySelector('[role=progressbar],[aria-busy=true],progress,.spinner,.skeleton')) window.waited = true
    if (document.querySelector('[data-body] tr td.name')) requestAnimationFrame((now) => { window.first = now })
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})

test('R1: without scripts there are rows and the number of all', async () => {
  const c = await context({ javaScriptEnabled: false })
  const page = await login(server, c)
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  const sizes = new Map()
  cdp.on('Network.responseReceived', (e) => { if (e.type === 'Document') sizes.set(e.requestId, 0) })
  cdp.on('Network.loadingFinished', (e) => { if (sizes.has(e.requestId)) sizes.set(e.requestId, e.encodedDataLength) })
  await page.goto(server.url + list)
  assert.ok((await page.$$('[data-body] tr[data-uid] td.name')).length >= 60)
  assert.equal(await page.textContent('[data-testid=count]'), count)
  figure(`R1 document of ${pods}, with its head`, await until(() => [...sizes.values()][0]), 15_000, { unit: 'bytes' })
  await done(c)
})

test('R1: a slow machine behind a slow network has its first row within a second', async () => {
  const c = await context()
  await probe(c)
  const page = await login(server, c)
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 10e6 / 8 })
  const times = []
  for (let i = 0; i < 5; i++) {
    await cdp.send('Network.clearBrowserCache')
    await page.goto('about:blank')
    await page.goto(server.url + list)
    times.push(await until(() => page.evaluate(() => window.first)))
    assert.ok(!await page.evaluate(() => window.waited), 'nothing says to wait')
  }
  times.sort((a, b) => a - b)
  figure(`R1 first row of ${pods}, cold, processor 4 times slower, 10 Mbit/s, 40 ms, p50 of 5`, times[2], 1000, { slack: 50 })
  await done(c)
})

test('R1: the first row of many is there as soon as that of few', async () => {
  const c = await context()
  await probe(c)
  await c.addInitScript(() => {
    window.blocked = 0
    window.shifted = 0
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.blocked += Math.max(0, e.duration - 50) }).observe({ type: 'longtask', buffered: true })
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.shifted += e.value }).observe({ type: 'layout-shift', buffered: true })
  })
  const page = await login(server, c)
  // What is warm is there, and nothing of that page is still on its way.
  await live(page)
  await quiet(page)
  await page.goto('about:blank')
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  let bytes = 0
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  cdp.on('Network.webSocketFrameReceived', (e) => { bytes += e.response.payloadData.length })
  await page.goto(server.url + list, { waitUntil: 'commit' })
  const first = await until(() => page.evaluate(() => window.first))
  assert.ok(!await page.evaluate(() => window.waited), 'nothing says to wait')
  await live(page)
  assert.equal(await page.textContent('[data-testid=count]'), count)
  await quiet(page)
  const [nodes, blocked, shifted] = await page.evaluate(() => [document.querySelectorAll('*').length, window.blocked, window.shifted])
  await cdp.send('HeapProfiler.collectGarbage')
  figure(`R1 first row of ${pods}`, first, 300, { slack: 60 })
  figure(`R1 list of ${pods}, warm`, bytes, 20_000, { unit: 'bytes' })
  figure(`R1 list of ${pods}`, nodes, 2500, { unit: 'elements' })
  figure(`R1 list of ${pods}, heap`, (await cdp.send('Runtime.getHeapUsage')).usedSize, 5 << 20, { unit: 'bytes' })
  figure(`R1 list of ${pods}, blocked`, blocked, 50, { slack: 400 })
  figure(`R1 list of ${pods}, layout shift`, shifted * 1000, 20, { unit: 'thousandths' })
  const waits = await page.evaluate(async () => {
    const times = []
    for (let i = 0; i < 20; i++) {
      const url = `/ui/api/v1/pods?n=${i}`
      await (await fetch(url)).text()
      const e = performance.getEntriesByName(new URL(url, location)).at(-1)
      times.push(e.responseStart - e.requestStart)
    }
    return times.sort((a, b) => a - b)
  })
  figure(`R1 list of ${pods}, first byte, p95`, waits[18], 50, { slack: 100 })
  await done(c)
})

test('R4: rows come while one scrolls from end to end', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', list)
  await live(page)
  for (const at of [0.5, 0.98, 0.1, 1]) {
    await page.evaluate((at) => { const s = document.querySelector('[data-scroll]'); s.scrollTop = s.scrollHeight * at }, at)
    await until(() => page.evaluate(() => {
      const s = document.querySelector('[data-scroll]').getBoundingClientRect()
      return document.elementFromPoint(s.left + 300, s.top + s.height / 2)?.closest('tr[data-uid]') !== null
    }))
    assert.ok(await page.evaluate(() => document.querySelectorAll('table.list tr').length) <= 150)
  }
  await until(async () => Number(await page.$eval('[data-body] tr:last-child', (tr) => tr.getAttribute('aria-rowindex'))) === pods + 1)
  // At row 4,900 of 5,000 each row that is there says which it is.
  const at = Math.round(pods * 0.98)
  await page.evaluate((at) => { const s = document.querySelector('[data-scroll]'); s.scrollTop = at * document.querySelector('[data-body] tr').offsetHeight }, at)
  const sorted = fixture.pods.map((p) => [p.metadata.namespace, p.metadata.name]).sort(([a, b], [x, y]) => (a < x || a === x && b < y ? -1 : 1))
  await until(async () => await page.$(`[data-body] tr[aria-rowindex="${at + 2}"]`))
  await quiet(page)
  assert.ok(await page.evaluate(() => document.querySelectorAll('tr').length) <= 150)
  assert.equal(await page.getAttribute('table.list', 'aria-rowcount'), String(pods + 1))
  for (const [index, name] of await page.$$eval('[data-body] tr[data-uid]', (l) => l.map((tr) => [Number(tr.getAttribute('aria-rowindex')), tr.querySelector('td.name').textContent]))) {
    assert.equal(name, sorted[index - 2][1], `row ${index}`)
  }
  // From the end to the beginning as a wheel does it: how many frames, and for
  // how long there was nothing to read.
  const [fps, blank] = await page.evaluate(() => new Promise((ok) => {
    const s = document.querySelector('[data-scroll]')
    const box = s.getBoundingClientRect()
    const began = performance.now()
    let frames = 0, empty = 0, worst = 0, last = began
    const step = (now) => {
      frames++
      const there = document.elementFromPoint(box.left + 300, box.top + box.height / 2)?.closest('tr[data-uid]')
      empty = there ? 0 : empty + now - last
      worst = Math.max(worst, empty)
      last = now
      s.scrollTop -= 120
      if (s.scrollTop <= 0 || now - began > 8000) ok([frames / (now - began) * 1000, worst])
      else requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }))
  figure('R4 frames while one scrolls, of 60', 60 - fps, 5, { slack: 11.7, unit: 'lost a second' })
  figure('R4 blank while one scrolls', blank, 100, { slack: 80 })
  await done(c)
})

test('R4: a hundred rows above the one that one reads do not move it', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', list)
  await live(page)
  const scroller = page.locator('[data-scroll]')
  await scroller.evaluate((s) => { s.scrollTop = s.scrollHeight / 2 })
  await until(async () => Math.abs(Number(await page.getAttribute('[data-body] tr', 'aria-rowindex')) - pods / 2) < 100)
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
  await until(async () => await page.textContent('[data-testid=count]') === (pods + 100).toLocaleString('en'))
  await quiet(page)
  const now = await under()
  assert.equal(now[0], before[0])
  assert.ok(Math.abs(now[1] - before[1]) < 0.01, `moved by ${now[1] - before[1]}`)
  assert.match(await page.textContent('[data-pill]'), /100 new/)
  const indexes = await page.$$eval('[data-body] tr[data-uid]', (l) => l.map((tr) => Number(tr.getAttribute('aria-rowindex'))))
  assert.ok(indexes.every((n, i) => n === indexes[0] + i))
  await done(c)
  await server.many(100, (i) => server.api('DELETE', `/api/v1/namespaces/aaa/pods/new-${i}`))
})

// changed gives how long it takes from act, which runs in the page, until what
// selector finds is another text, and seen.
const changed = (page, selector, act, value) => page.evaluate(([selector, act, value]) => new Promise((ok, fail) => {
  const el = document.querySelector(selector)
  // Ages count on by themselves.
  const text = () => [...el.querySelectorAll('td.name')].map((td) => td.textContent).join() || el.textContent
  const was = text()
  setTimeout(() => fail(new Error(`${value}: ${selector} stays ${was}`)), 60_000)
  const began = performance.now()
  new MutationObserver((_, o) => {
    if (text() === was || !el.textContent) return
    o.disconnect()
    requestAnimationFrame(() => ok(performance.now() - began))
  }).observe(el, { childList: true, subtree: true, characterData: true })
  if (act === 'click') [...document.querySelectorAll('th a')].find((a) => new URL(a.href).searchParams.get('sort') === value).click()
  else {
    const input = document.querySelector('#filter')
    input.value = value
    input.dispatchEvent(new Event('input'))
  }
}), [selector, act, value])

test('R2: an order and a filter over all rows come at once', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', list)
  await live(page)
  await until(async () => await page.textContent('[data-testid=count]') === count)
  await quiet(page)
  await changed(page, '[data-body]', 'click', 'ready') // once all of them have been read
  await quiet(page)
  const orders = []
  for (const column of ['restarts', 'restarts', 'name', 'name', 'status', 'status', 'age', 'namespace', 'namespace', 'restarts']) {
    orders.push(await changed(page, '[data-body]', 'click', column))
    await quiet(page)
  }
  const times = []
  for (const q of ['cart', 'billing tier=web', '-l app=billing', 'Running', '', 'led', '!cart', 'shop', '-l app!=cart', '']) {
    times.push(await changed(page, '[data-count]', 'input', q))
  }
  for (const [what, t] of [['order', orders], ['filter', times]]) {
    t.sort((a, b) => a - b)
    figure(`R2 ${what} over ${pods}, p50`, t[4], atOnce, { slack: 100 })
    figure(`R2 ${what} over ${pods}, p95`, t[9], atOnce, { slack: 200 })
  }
  await done(c)
})

test('R10: the palette finds among all of them', async () => {
  const c = await context()
  const page = await login(server, c)
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette input')
  const times = [], sizes = []
  page.on('response', async (r) => { if (r.url().includes('/ui/search')) sizes.push(await r.body().then((b) => b.length, () => 0)) }) // 0 of what was given up
  for (const q of ['gateway', 'billing-', 'cart', 'node-0', 'deploy', 'pods', 'ledger', 'ship', 'mailer', 'frontend-config']) {
    await page.fill('#palette input', '')
    times.push(await page.evaluate((q) => new Promise((ok, fail) => {
      setTimeout(() => fail(new Error(`nothing is found for ${q}`)), 60_000)
      const began = performance.now()
      const box = document.querySelector('#palette > div')
      new MutationObserver((_, o) => {
        if (!box.querySelector('[data-rank]')) return
        o.disconnect()
        requestAnimationFrame(() => ok(performance.now() - began))
      }).observe(box, { childList: true })
      const input = document.querySelector('#palette input')
      input.value = q
      input.dispatchEvent(new Event('input'))
    }), q))
    assert.match(await page.textContent('#palette [role=option] >> nth=0'), new RegExp(q.replace('-', '.*')))
  }
  times.sort((a, b) => a - b)
  figure(`R10 palette over ${pods} pods, p50`, times[4], 100, { slack: 100 })
  figure(`R10 palette over ${pods} pods, p95`, times[9], 100, { slack: 200 })
  figure('R10 palette, one answer', Math.max(...sizes), 20_000, { unit: 'bytes' })
  await done(c)
})

test('R7: an ordinary session is quick at every key and click, and nothing jumps', async () => {
  const c = await context()
  const inputs = new Map(), long = [], shifts = []
  await c.exposeFunction('took', (id, ms) => inputs.set(id, Math.max(ms, inputs.get(id) ?? 0)))
  await c.exposeFunction('blocked', (ms) => long.push(ms))
  await c.exposeFunction('shifted', (n) => shifts.push(n))
  await c.addInitScript(() => {
    const watch = (type, f, more) => new PerformanceObserver((l) => l.getEntries().forEach(f)).observe({ type, buffered: true, ...more })
    watch('event', (e) => { if (e.interactionId) window.took(`${performance.timeOrigin} ${e.interactionId}`, e.duration) }, { durationThreshold: 16 })
    watch('longtask', (e) => window.blocked(e.duration - 50))
    watch('layout-shift', (e) => { if (!e.hadRecentInput) window.shifted(e.value) })
  })
  const page = await login(server, c, 'token-admin', list)
  await live(page)
  let acts = 0
  // What moves half a second after an act is no answer to it for the browser. Where
  // an act and its answer took as long, it cannot tell them apart.
  const act = async (f) => {
    acts++
    const [began, moved] = [Date.now(), shifts.length]
    await f()
    await quiet(page, 150)
    if (Date.now() - began > 600) shifts.splice(moved)
  }
  for (const column of ['Restarts', 'Restarts', 'Name']) await act(() => page.click(`th >> text=${column}`))
  await act(() => page.focus('#filter'))
  for (const key of 'cart') await act(() => page.keyboard.press(key))
  await act(() => page.press('#filter', 'Enter'))
  await act(() => page.press('#filter', 'Escape'))
  for (const key of ['j', 'j', 'x', 'x', 'j']) await act(() => page.keyboard.press(key))
  await act(() => page.click('[data-body] tr >> nth=3 >> td.name a'))
  await page.waitForSelector('#panel [data-object]')
  for (const tab of ['YAML', 'Events', 'Related', 'Overview']) await act(() => page.click(`#panel [data-tab] >> text=${tab}`))
  await act(() => page.keyboard.press('Escape'))
  await act(() => page.click('.nav >> text=Deployments'))
  await act(() => page.click('.nav >> text=Pods'))
  await page.waitForURL(/pods/)
  await live(page)
  await act(() => page.keyboard.press('Control+k'))
  for (const key of 'ship') await act(() => page.keyboard.press(key))
  await act(() => page.keyboard.press('Escape'))
  await quiet(page, 500)
  // What is quicker than a frame is not reported.
  const all = [...inputs.values(), ...Array(Math.max(0, acts - inputs.size)).fill(8)].sort((a, b) => a - b)
  figure(`goals: from input to the next paint over ${acts} of a session, p95`, all[Math.ceil(all.length * 0.95) - 1], 100, { slack: 50 })
  figure('goals: blocked in a session', long.reduce((a, b) => a + b, 0), 50, { slack: 800 })
  figure('goals: layout shift in a session', shifts.reduce((a, b) => a + b, 0) * 1000, 20, { unit: 'thousandths' })
  await done(c)
})

test('R5: ten tabs stay as quick as one', async () => {
  const c = await context()
  const first = await login(server, c, 'token-admin', list)
  const pages = [first]
  const began = Date.now()
  await Promise.all(Array.from({ length: 9 }, async () => {
    const page = await c.newPage()
    pages.push(page)
    await page.goto(server.url + list)
    await live(page)
  }))
  figure('R5 nine more tabs are live', Date.now() - began, 5000, { slack: 40 })
  await first.bringToFront()
  await live(first)
  figure('R5 a filter beside nine live tabs', await changed(first, '[data-count]', 'input', 'cart'), atOnce, { slack: 200 })
  await done(c)
})

test('R7: a list at hundreds of changes a second stays quick and small', async () => {
  const c = await context()
  const kept = await steady(c)
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods')
  await live(page)
  await page.evaluate(() => {
    window.long = []
    window.inputs = []
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.long.push(Math.round(e.duration)) }).observe({ type: 'longtask' })
    new PerformanceObserver((l) => { for (const e of l.getEntries()) if (e.interactionId) window.inputs.push(e.duration) }).observe({ type: 'event', durationThreshold: 16 })
  })
  let frames = 0, sockets = 0
  page.on('websocket', () => sockets++)
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  const heap = async () => {
    await cdp.send('HeapProfiler.collectGarbage')
    return (await cdp.send('Runtime.getHeapUsage')).usedSize
  }
  const before = await heap()
  cdp.on('Network.webSocketFrameReceived', () => frames++)
  const began = Date.now()
  const first = await page.$eval('[data-body] tr td.name', (td) => td.textContent)
  const targets = fixture.pods.filter((p) => p.metadata.namespace === 'shop').slice(0, 200)
  const watched = fixture.pods.find((p) => p.metadata.name === first)
  const churn = spawn(process.execPath, [new URL('../churn.js', import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'inherit'] })
  churn.stdin.end(JSON.stringify({ url: server.url, rate, seconds, pods: targets.filter((p) => p !== watched).map((p) => ({ namespace: 'shop', name: p.metadata.name, container: p.spec.containers[0].name })) }))
  let made = ''
  churn.stdout.on('data', (b) => { made += b })
  const over = new Promise((ok) => churn.once('exit', ok))
  const end = Date.now() + seconds * 1000
  // Meanwhile: how long one change takes to be seen, and the keys of the filter.
  // The API's part of it is measured too: it shares the machine with the changes.
  const times = [], answers = []
  const look = async () => {
    for (let i = 0; Date.now() < end - 500; i++) {
      const seen = page.evaluate((i) => new Promise((ok, fail) => {
        setTimeout(() => fail(new Error(`${i} is not seen`)), 60_000)
        const body = document.querySelector('[data-body]')
        const look = (_, o) => {
          if (!body.querySelector('tr:not(.gone)')?.textContent.includes(`${i}`)) return
          o.disconnect()
          requestAnimationFrame(() => ok(Date.now()))
        }
        const o = new MutationObserver(look)
        o.observe(body, { childList: true, subtree: true, characterData: true })
        look(null, o) // it may be there already
      }), 700000 + i)
      const from = Date.now()
      await server.api('PATCH', `/api/v1/namespaces/shop/pods/${first}/status`, { status: { containerStatuses: [{ name: watched.spec.containers[0].name, restartCount: 700000 + i }] } }, 'application/strategic-merge-patch+json')
      answers.push(Date.now() - from)
      times.push(await seen - from)
      if (i % 4 === 3) {
        await page.focus('#filter')
        await page.keyboard.type('a')
        await page.keyboard.press('Backspace')
      }
      await new Promise((ok) => setTimeout(ok, 100))
    }
  }
  // The page's own work, without what waiting for a processor makes of it.
  let messages = 0
  await until(() => frames > 0) // the changes have begun
  const work = await tasks(c, page, async () => {
    const from = frames
    await new Promise((ok) => setTimeout(ok, 2000))
    messages = frames - from
  })
  await page.evaluate(() => { window.long.length = 0 })
  await look()
  assert.equal(await over, 0)
  const pace = frames / (Date.now() - began) * 1000
  if (await kept(page)) assert.equal(sockets, 0, 'no change needs a new connection')
  const [long, inputs] = await page.evaluate(() => [window.long, window.inputs])
  const reached = Math.round(Number(made) / seconds)
  for (const list of [times, answers]) list.sort((a, b) => a - b)
  const p95 = (list) => list[Math.floor(list.length * 0.95)] ?? 0
  figure(`R7 messages at ${reached} changes a second for ${seconds} s`, pace, 22, { unit: 'a second' })
  figure('R7 longest task', Math.max(0, ...long), 100, { slack: 60 })
  figure('R7 longest task, its own work', work.longest, 50, { slack: 8 })
  figure('R7 work of the page for one message', work.all / Math.max(1, messages), 15, { slack: 12 })
  figure('R7 slowest key in the filter', Math.max(0, ...inputs), 200, { slack: 50 })
  figure(`R7 change to pixel at ${reached} a second, p95`, p95(times), 250, { slack: 200 })
  figure('R7 answer of the API meanwhile, p95', p95(answers), 250, { slack: 200 })
  figure('R7 heap growth', await heap() - before, 10 << 20, { unit: 'bytes' })
  await done(c)
})
