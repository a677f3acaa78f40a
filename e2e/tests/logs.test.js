// R18, R19, R20: logs of one container and of many, on a node that is a fake.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Server, context, done, figure, here, live, login, quiet, quit, tasks, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'
import { Wire } from '../wire.js'

let server, node
before(async () => {
  server = await Server.start()
  node = await Kubelet.start(server)
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'shop' } }).catch(() => {})
})
after(async () => {
  await quit()
  await node?.stop()
  await server?.stop()
})

const page = (pod, query = '') => `/ui/api/v1/namespaces/shop/pods/${pod}?tab=logs${query}`
const status = (p) => p.textContent('[data-log=status]')
const numbered = (n, from = 1) => Array.from({ length: n }, (_, i) => `number ${from + i}`)
const shown = (p) => p.$$eval('#main .lr .lx', (l) => l.map((e) => e.textContent))
const wait = 60_000
// all gives the numbers of all lines, from the top.
async function all(p) {
  return p.evaluate(async () => {
    const box = document.querySelector('#main [data-log=lines]')
    const seen = []
    box.scrollTop = 0
    for (;;) {
      await new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok)))
      for (const e of document.querySelectorAll('#main .lr .lx')) {
        const n = Number(e.textContent.match(/number (\d+)/)?.[1])
        if (n && n !== seen.at(-1) && !(seen.length && n < seen.at(-1))) seen.push(n)
      }
      if (box.scrollTop + box.clientHeight >= box.scrollHeight - 2) return seen
      box.scrollTop += box.clientHeight / 2
    }
  })
}

test('R18: a log is there without scripts', async () => {
  await node.pod('shop', 'plain')
  node.log('shop/plain/main', ['one', 'two <b>', 'three'])
  const c = await context({ javaScriptEnabled: false })
  const p = await login(server, c, 'token-admin', page('plain'))
  await p.goto(server.url + page('plain'))
  assert.deepEqual(await shown(p), ['one', 'two <b>', 'three'])
  await p.selectOption('[name=since]', 'tail100')
  await p.click('.logbar button:visible >> text=Show')
  await p.waitForURL(/since=tail100/)
  await done(c)
})

test('R18: lines are followed, looked through, and stand still when one reads', async () => {
  await node.pod('shop', 'web', { containers: ['main', 'proxy'], init: ['prepare'], restarts: 1 })
  node.log('shop/web/main', [...numbered(300), 'plain \x1b[31mred\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[48;2;1;2;3mtrue\x1b[0m', '{"level":"info","message":"started","port":8080}'])
  node.container('shop/web/main').previous = [{ t: '2026-01-02T03:04:05.000000006Z', text: 'before the restart' }]
  const c = await context({ timezoneId: 'Asia/Tokyo' })
  const p = await login(server, c, 'token-admin', page('web'))
  await live(p)
  await p.waitForFunction(() => /302 lines/.test(document.querySelector('[data-log=status]').textContent), null, { timeout: wait })
  await until(async () => (await shown(p)).at(-1)?.includes('"level"'), wait)
  assert.ok((await p.$$('.lr')).length < 150)
  // Colours.
  const colours = await p.$$eval('.lr .lx span', (l) => l.map((e) => [e.textContent, getComputedStyle(e).color, getComputedStyle(e).backgroundColor]))
  assert.equal(colours.find((k) => k[0] === 'red')[1], 'rgb(255, 138, 128)')
  assert.equal(colours.find((k) => k[0] === 'orange')[1], 'rgb(255, 135, 0)')
  assert.equal(colours.find((k) => k[0] === 'true')[2], 'rgb(1, 2, 3)')
  // New lines come at the end.
  node.log('shop/web/main', 'number 303')
  await p.waitForFunction(() => [...document.querySelectorAll('.lr')].at(-1)?.textContent.includes('number 303'), null, { timeout: wait })
  // Who scrolls up stays where they are, and is told.
  await p.hover('[data-log=lines]')
  const scrolled = () => p.$eval('[data-log=lines]', (e) => e.scrollTop)
  const end = await scrolled()
  await p.mouse.wheel(0, -1500)
  await p.waitForSelector('[data-log=follow][aria-pressed=false]')
  await until(async () => await scrolled() <= end - 1499) // a wheel rolls on for a moment
  const before = await scrolled()
  node.log('shop/web/main', ['number 304', 'number 305']) // which may come in two messages
  await p.waitForSelector('[data-log=pill]:visible:text-matches("^2 new lines")', { timeout: wait })
  assert.equal(await scrolled(), before)
  await p.click('[data-log=pill]')
  await p.waitForFunction(() => [...document.querySelectorAll('.lr')].at(-1)?.textContent.includes('number 305'), null, { timeout: wait })
  // Looking for something.
  await p.keyboard.press('/')
  await p.keyboard.type('/number 1\\d$/')
  await p.waitForFunction(() => document.querySelector('[data-log=count]').textContent === '10 lines', null, { timeout: wait })
  await p.click('[data-log=only]')
  await until(async () => (await shown(p)).length === 10)
  await until(async () => (await p.$$('.lr mark')).length === 10, wait)
  await p.selectOption('[data-log=around]', '2')
  await until(async () => (await shown(p)).length === 14)
  node.log('shop/web/main', 'number 19')
  await p.waitForFunction(() => document.querySelector('[data-log=count]').textContent === '11 lines', null, { timeout: wait })
  await p.fill('[data-log=find]', '/(/')
  await p.waitForSelector('[data-log=find][aria-invalid]')
  await p.fill('[data-log=find]', '')
  await p.click('[data-log=only]')
  // JSON, times, wrapping.
  await p.click('.lj')
  await p.waitForFunction(() => [...document.querySelectorAll('.lr')].some((e) => e.textContent.includes('"port": 8080')))
  await p.selectOption('[data-log=time]', 'utc')
  await p.waitForFunction(() => /^\d\d:\d\d:\d\d\.\d{3}$/.test(document.querySelector('.lr .lt')?.textContent ?? ''))
  const hours = () => p.$eval('.lr', (e) => [e.querySelector('.lg').title.slice(11, 13), e.querySelector('.lt').textContent.slice(0, 2)])
  assert.equal(...await hours())
  await p.selectOption('[data-log=time]', 'local')
  await until(async () => { const [utc, local] = await hours(); return (local - utc + 24) % 24 === 9 }, wait)
  await p.selectOption('[data-log=time]', 'utc')
  node.log('shop/web/main', 'wide '.repeat(200) + 'end')
  await p.focus('[data-log=lines]')
  await p.keyboard.press('End') // follows
  await p.click('[data-log=wrap]')
  await p.waitForFunction(() => { const e = [...document.querySelectorAll('.lr')].at(-1); return e?.textContent.endsWith('end') && e.clientHeight > 40 }, null, { timeout: wait })
  assert.ok(await p.$eval('[data-log=lines]', (e) => e.scrollWidth <= e.clientWidth + 1))
  // The address is the state: a page loaded again shows the same.
  await p.fill('[data-log=find]', 'number 30')
  await p.waitForFunction(() => location.search.includes('find='))
  await p.reload()
  await p.waitForFunction(() => document.querySelector('[data-log=count]')?.textContent === '5 lines', null, { timeout: wait })
  assert.equal(await p.getAttribute('[data-log=wrap]', 'aria-pressed'), 'true')
  // Before the restart, and other containers.
  await p.fill('[data-log=find]', '')
  await p.check('[name=previous]')
  await until(async () => (await shown(p))[0] === 'before the restart')
  await p.uncheck('[name=previous]')
  node.log('shop/web/prepare', 'prepared')
  await p.selectOption('[name=container]', 'prepare')
  await until(async () => (await shown(p))[0] === 'prepared')
  await until(async () => /ended/.test(await status(p)), wait)
  // A line that is marked is in the address, and is found by it.
  await p.selectOption('[name=container]', 'main')
  await until(async () => /30\d lines/.test(await status(p)))
  await p.click('[data-log=wrap]')
  await p.$eval('[data-log=lines]', (e) => { e.scrollTop = 0 })
  await p.waitForFunction(() => document.querySelector('.lr .lx')?.textContent === 'number 1')
  await p.click('.lr:nth-child(3) .lg')
  await p.waitForFunction(() => location.hash.startsWith('#t='))
  await p.reload()
  await p.waitForSelector('.lr.marked', { timeout: wait })
  assert.match(await p.textContent('.lr.marked .lx'), /number 3$/)
  await done(c)
})

test('R18: a log is downloaded as a whole', async () => {
  await node.pod('shop', 'long')
  node.log('shop/long/main', numbered(3000))
  const c = await context({ acceptDownloads: true })
  const p = await login(server, c, 'token-admin', page('long', '&since=tail100'))
  await live(p)
  await until(async () => /100 lines/.test(await status(p)), wait)
  const [file] = await Promise.all([p.waitForEvent('download'), p.click('a[download] >> text=Download')])
  const text = await (await file.createReadStream()).toArray()
  const lines = Buffer.concat(text).toString().trim().split('\n')
  assert.equal(lines.length, 3000)
  assert.match(lines[2999], /number 3000$/)
  assert.equal(file.suggestedFilename(), 'long.log')
  // It comes as the node sends it: the first half is there before the second is.
  let open
  node.container('shop/long/main').gate = new Promise((ok) => { open = ok })
  await p.evaluate(async (url) => {
    window.body = (await fetch(url)).body.getReader()
    window.got = new TextDecoder().decode((await window.body.read()).value)
  }, await p.getAttribute('a[download]', 'href'))
  assert.match(await p.evaluate(() => window.got), /number 1\n/)
  open()
  assert.match(await p.evaluate(async () => {
    for (;;) {
      const { done, value } = await window.body.read()
      if (done) return window.got
      window.got += new TextDecoder().decode(value)
    }
  }), /number 3000\n$/)
  await done(c)
})

test('R20: a connection that is cut loses no line and shows none twice', async () => {
  await node.pod('shop', 'steady')
  const c = await context()
  const p = await login(server, c, 'token-admin', page('steady', '&since=all'))
  await live(p)
  let n = 0
  const writing = setInterval(() => node.log('shop/steady/main', numbered(5, n + 1) && Array.from({ length: 5 }, () => `number ${++n}`)), 40)
  await until(async () => /\d\d lines/.test(await status(p)), wait)
  await c.setOffline(true)
  const cut = Date.now()
  await p.waitForSelector('#live[data-state=lost]', { timeout: wait })
  const lost = n
  await until(() => n > lost + 50 && Date.now() - cut > 5000, wait)
  await c.setOffline(false)
  await live(p)
  await until(() => n > lost + 150, wait)
  // The log itself ends and begins again, as at the end of a node's connection.
  node.container('shop/steady/main').end()
  const ended = n
  await until(() => n > ended + 100, wait)
  clearInterval(writing)
  await until(async () => (await status(p)).startsWith(`${n.toLocaleString('en')} lines`), wait)
  assert.deepEqual(await all(p), Array.from({ length: n }, (_, i) => i + 1))
  await done(c)
})

test('R18: 10,000 lines a second neither hold the page up nor fill the memory', async () => {
  await node.pod('shop', 'busy')
  const c = await context()
  const p = await login(server, c, 'token-admin', page('busy'))
  await live(p)
  await p.evaluate(() => {
    window.longest = 0
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.longest = Math.max(window.longest, e.duration) }).observe({ type: 'longtask', buffered: false })
  })
  // Twice as fast and shorter, unless the goal of 30 seconds is to be measured.
  const rate = process.env.LOG_SECONDS ? 10_000 : 20_000
  const seconds = process.env.LOG_LINES ? process.env.LOG_LINES / rate : Number(process.env.LOG_SECONDS ?? 6)
  let n = 0
  const begun = Date.now()
  const write = () => new Promise((ok) => {
    const t = setInterval(() => {
      const due = Math.min(seconds * rate, Math.floor((Date.now() - begun) * rate / 1000))
      node.log('shop/busy/main', Array.from({ length: due - n }, (_, i) => `number ${n + i + 1} ${'and some text that a server may say '.repeat(2)}`))
      n = due
      if (n >= seconds * rate) { clearInterval(t); ok() }
    }, 20)
  })
  let late
  const work = await tasks(c, p, async () => {
    await write()
    await p.waitForFunction((last) => [...document.querySelectorAll('.lr .lx')].at(-1)?.textContent.startsWith(`number ${last} `), n, { timeout: 180_000 })
    late = Date.now() - begun - seconds * 1000
  })
  await until(async () => (await status(p)).startsWith(`100,000 lines · ${(n - 100_000).toLocaleString('en')} older lines dropped`))
  const cdp = await c.newCDPSession(p)
  await cdp.send('HeapProfiler.collectGarbage')
  const { usedSize } = await cdp.send('Runtime.getHeapUsage')
  figure(`R18 the last of ${rate} lines a second is shown after`, late, 1000, { slack: 120 })
  figure('R18 longest task', await p.evaluate(() => window.longest), 100, { slack: 60 })
  figure('R18 longest task, its own work', work.longest, 50, { slack: 8 })
  figure(`R18 heap after ${n.toLocaleString('en')} lines`, usedSize / 2 ** 20, 60, { unit: 'MB' })
  // It says how much is kept, and all of that can be searched.
  assert.match(await status(p), /at most 100,000 lines or 32 MB/)
  const find = async (text, count) => {
    await p.fill('[data-log=find]', text)
    await p.waitForFunction((want) => document.querySelector('[data-log=count]').textContent === want, count, { timeout: 60_000 })
  }
  const search = await tasks(c, p, async () => {
    await find('/^number \\d/', '100,000 lines') // a search in all of them
    await find(`number ${n - 99_999} `, '1 line') // the oldest that is kept
    await find(`number ${n - 100_000} `, '0 lines')
  })
  figure('R18 longest task of searches in 100,000 lines, its own work', search.longest, 50, { slack: 8 })
  await done(c)
})

test('R19: the logs of a workload stand together, new pods join, pods that have gone stay', async () => {
  await server.create('/apis/apps/v1/namespaces/shop/deployments', {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cart', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'cart' } }, template: { metadata: { labels: { app: 'cart' } }, spec: { containers: [{ name: 'main', image: 'i' }] } } },
  })
  const at = Date.now() - 60_000
  for (const [i, name] of ['cart-a', 'cart-b'].entries()) {
    await node.pod('shop', name, { labels: { app: 'cart' } })
    for (let k = 0; k < 10; k++) node.log(`shop/${name}/main`, `number ${2 * k + i + 1} of ${name}`, at + 1000 * (2 * k + i))
  }
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/apis/apps/v1/namespaces/shop/deployments/cart?tab=logs')
  await live(p)
  await until(async () => /20 lines/.test(await status(p)), wait)
  assert.deepEqual((await shown(p)).map((t) => Number(t.match(/number (\d+)/)[1])), Array.from({ length: 20 }, (_, i) => i + 1))
  assert.deepEqual(await p.$$eval('.logsource span', (l) => l.map((e) => e.textContent)), ['cart-a', 'cart-b'])
  const [a, b] = await p.$$eval('.lr .ls', (l) => l.slice(0, 2).map((e) => getComputedStyle(e).color))
  assert.notEqual(a, b)
  // A new pod joins within a second.
  await node.pod('shop', 'cart-c', { labels: { app: 'cart' } })
  const begun = Date.now()
  node.log('shop/cart-c/main', 'number 100 of cart-c')
  await until(async () => (await shown(p)).some((t) => t.includes('cart-c')), wait)
  figure('R19 a new pod joins', Date.now() - begun, 1000, { slack: 60 })
  // One of them can be left out.
  await p.click('.logsource >> text=cart-a')
  await until(async () => (await shown(p)).length === 11)
  await p.click('.logsource >> text=cart-a')
  // A pod that is deleted stays, and is marked.
  await server.api('DELETE', '/api/v1/namespaces/shop/pods/cart-b?gracePeriodSeconds=0')
  await until(async () => (await p.textContent('.logsource:nth-child(2) em')) === 'deleted', wait)
  await until(async () => (await shown(p)).length === 21)
  // So does one that has finished.
  await node.finish('shop', 'cart-c')
  await until(async () => (await p.textContent('.logsource:nth-child(3) em')) === 'ended', wait)
  await until(async () => /^21 lines · 1 of 3 containers live/.test(await status(p)), wait)
  // A selector has a page of its own.
  await p.goto(server.url + '/ui/logs?ns=shop&q=-l+app%3Dcart')
  await until(async () => /11 lines/.test(await status(p)), wait)
  await done(c)
})

test('R19: what is said of a container is so now, also after a cut', async () => {
  const main = node.container('shop/late-a/main')
  main.waiting = true
  for (const name of ['late-a', 'late-b']) await node.pod('shop', name, { labels: { app: 'late' } })
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/logs?ns=shop&q=-l+app%3Dlate')
  await live(p)
  const says = (name) => p.$$eval('.logsource', (l, name) => l.filter((b) => b.title.includes(name)).map((b) => `${b.title} | ${b.querySelector('em').textContent}`).join(), name)
  await until(async () => /waiting to start.* \| .*waiting to start/.test(await says('late-a')), wait)
  main.waiting = false
  await until(async () => await says('late-a') === 'shop/late-a/main | ', wait)
  // A pod that goes while the page has no connection has gone when it is back.
  await c.setOffline(true)
  await p.waitForSelector('#live[data-state=lost]', { timeout: wait })
  await server.api('DELETE', '/api/v1/namespaces/shop/pods/late-b?gracePeriodSeconds=0')
  await c.setOffline(false)
  await live(p)
  await until(async () => await says('late-b') === 'shop/late-b/main: deleted | deleted', wait)
  await node.finish('shop', 'late-a')
  await until(async () => await says('late-a') === 'shop/late-a/main | ended', wait)
  await done(c)
})

test('R24: who may not read logs is told so', async () => {
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'look', namespace: 'shop' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }] })
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'look', namespace: 'shop' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'look' }, subjects: [{ kind: 'User', name: 'dev', apiGroup: 'rbac.authorization.k8s.io' }] })
  await node.pod('shop', 'private')
  const c = await context()
  const p = await login(server, c, 'token-dev', page('private'))
  await until(async () => /User "dev" cannot get resource "pods\/log"/.test(await status(p)), wait)
  await done(c)
})

test('R19: the logs of what is selected are one', async () => {
  for (const name of ['pick-a', 'pick-b', 'pick-c']) {
    await node.pod('shop', name)
    node.log(`shop/${name}/main`, [`hello of ${name}`])
  }
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods?q=pick-')
  await live(p)
  for (const name of ['pick-a', 'pick-c']) await p.check(`tr:has(a:text-is("${name}")) input`)
  await p.click('[data-bulk] button >> text=Logs')
  await p.waitForURL(/\/ui\/logs\?of=pods%2Fshop%2Fpick-a%2Cpods%2Fshop%2Fpick-c/)
  await until(async () => (await shown(p)).length === 2, wait)
  assert.deepEqual((await shown(p)).sort(), ['hello of pick-a', 'hello of pick-c'])
  assert.match(await p.textContent('.logfoot'), /xargs -P0 -I\{\} kubectl logs \{\} --prefix -n shop --all-containers -f/)
  node.log('shop/pick-c/main', 'later')
  await until(async () => (await shown(p)).includes('later'), wait)
  await done(c)
})

test('R18: a range of times begins and ends', async () => {
  await node.pod('shop', 'ranged')
  const at = Date.parse('2026-03-04T05:00:00Z')
  for (let i = 1; i <= 30; i++) node.log('shop/ranged/main', `number ${i}`, at + i * 60_000)
  const c = await context({ timezoneId: 'Asia/Tokyo' })
  const p = await login(server, c, 'token-admin', page('ranged', '&time=utc'))
  await live(p)
  await until(async () => /^30 lines/.test(await status(p)), wait)
  await p.selectOption('[name=since]', 'range')
  await until(async () => /^0 lines/.test(await status(p)), wait) // since an hour ago
  await p.fill('[name=from]', '2026-03-04T05:10:00')
  await until(async () => /^21 lines/.test(await status(p)), wait)
  await p.fill('[name=to]', '2026-03-04T05:19:30')
  await until(async () => /^10 lines · ended/.test(await status(p)), wait)
  assert.deepEqual((await shown(p)).map((t) => t.replace(/.*number/, 'number')), numbered(10, 10))
  assert.match(await here(p), /from=2026-03-04T05%3A10%3A00Z&.*to=2026-03-04T05%3A19%3A30Z/)
  // What is seen of it is in the zone of the times.
  await p.selectOption('[data-log=time]', 'local')
  assert.equal(await p.inputValue('[name=to]'), '2026-03-04T14:19:30')
  await p.reload()
  await until(async () => /^10 lines · ended/.test(await status(p)), wait)
  assert.equal(await p.inputValue('[name=since]'), 'range')
  const [file] = await Promise.all([p.waitForEvent('download'), p.click('a[download] >> text=Download')])
  assert.equal(Buffer.concat(await (await file.createReadStream()).toArray()).toString().trim().split('\n').length, 10)
  await done(c)
  // And without scripts, in UTC.
  const plain = await context({ javaScriptEnabled: false })
  const q = await login(server, plain, 'token-admin', page('ranged'))
  await q.goto(server.url + page('ranged', '&since=range'))
  await q.fill('[name=from]', '2026-03-04T05:28:00')
  await q.click('.logbar button:visible >> text=Show')
  await q.waitForURL(/from=/)
  assert.deepEqual(await shown(q), numbered(3, 28))
  await done(plain)
})

test('R19: a selector shows pods of several namespaces as one log', async () => {
  for (const name of ['north', 'south', 'west']) {
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await server.create(`/api/v1/namespaces/${name}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } }).catch(() => {})
    await node.pod(name, 'gate', { labels: { app: 'gate' } })
    node.log(`${name}/gate/main`, `hello of ${name}`)
  }
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/logs?ns=north,south&q=-l+app%3Dgate')
  await until(async () => (await shown(p)).length === 2, wait)
  assert.deepEqual((await shown(p)).sort(), ['hello of north', 'hello of south'])
  assert.deepEqual((await p.$$eval('.logsource span', (l) => l.map((e) => e.textContent))).sort(), ['north/gate', 'south/gate'])
  assert.match(await p.textContent('.logfoot'), /for n in north south; do kubectl logs -l app=gate --prefix -n \$n .* & done; wait/)
  await node.pod('south', 'late', { labels: { app: 'gate' } })
  node.log('south/late/main', 'joined')
  await until(async () => (await shown(p)).includes('joined'), wait)
  // All but some of them, by the picker.
  await p.goto(server.url + '/ui/logs?ns=north&except=1&q=-l+app%3Dgate')
  await until(async () => (await shown(p)).length === 3, wait)
  assert.deepEqual((await shown(p)).sort(), ['hello of south', 'hello of west', 'joined'])
  await p.click('.picker summary')
  await p.check('.picker input[name=ns][value=west]')
  await p.click('.picker button >> text=Show these')
  await p.waitForURL(/ns=north%2Cwest/)
  await until(async () => (await shown(p)).sort().join() === 'hello of north,hello of west', wait)
  await done(c)
})

test('R19: pods that selected workloads get later join', async () => {
  const names = [['north', 'ship'], ['south', 'pay']]
  for (const [namespace, name] of names) {
    await server.create(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace },
      spec: { selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'i' }] } } },
    })
    await node.pod(namespace, name + '-1', { labels: { app: name } })
    node.log(`${namespace}/${name}-1/main`, `first of ${name}`)
  }
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/apis/apps/v1/deployments?ns=north,south')
  await live(p)
  for (const [, name] of names) await p.check(`tr:has(a:text-is("${name}")) input`)
  await p.click('[data-bulk] button >> text=Logs')
  await p.waitForURL(/\/ui\/logs\?of=/)
  await until(async () => (await shown(p)).length === 2, wait)
  assert.match(await p.textContent('#main h1'), /2 deployments of 2 namespaces/)
  for (const [namespace, name] of names) {
    await node.pod(namespace, name + '-2', { labels: { app: name } })
    node.log(`${namespace}/${name}-2/main`, `second of ${name}`)
    await until(async () => (await shown(p)).includes(`second of ${name}`), wait)
  }
  await done(c)
})

test('R21: a log of the dock can have a window of its own', async () => {
  await node.pod('shop', 'apart')
  node.log('shop/apart/main', ['one', 'two'])
  const c = await context()
  const p = await login(server, c, 'token-admin', page('apart'))
  await p.click('#main [data-dock=logs]')
  await p.waitForSelector('.dockpane.logs .lr', { timeout: wait })
  const [w] = await Promise.all([c.waitForEvent('page', { timeout: wait }), p.click('[data-popout]')])
  await w.waitForSelector('.dockpane.logs .lr', { timeout: wait })
  await p.waitForSelector('#dock', { state: 'hidden' })
  assert.ok(await w.isHidden('#nav'))
  node.log('shop/apart/main', 'three')
  await until(async () => (await w.$$eval('.dockpane .lr .lx', (l) => l.map((e) => e.textContent))).includes('three'), wait)
  await done(c)
})

// state is what somebody sees of a log.
const state = (p) => p.evaluate(() => [...document.querySelectorAll('#main .lr')].map((e) => e.innerText).join('\n') + document.querySelector('#main [data-log=count]').textContent)

test('R3, R19: the options of a log are its address, and those of the next log', async () => {
  for (const name of ['first', 'second']) await node.pod('shop', name)
  const at = Date.now() - 20 * 60_000
  for (let i = 1; i <= 60; i++) node.log('shop/first/main', `number ${i}`, at + i * 10_000)
  const c = await context()
  const p = await login(server, c, 'token-admin', page('first'))
  await live(p)
  await until(async () => /^60 lines/.test(await status(p)), wait)
  await p.selectOption('[name=since]', '15m')
  await until(async () => /^(\d|[12]\d|3[01]) lines/.test(await status(p)), wait)
  await p.selectOption('[data-log=time]', 'utc')
  await p.click('[data-log=wrap]')
  await p.fill('[data-log=find]', '/number 5[5-7]$/')
  await p.click('[data-log=only]')
  await p.selectOption('[data-log=around]', '2')
  await until(async () => (await p.$$('#main .lr')).length === 7)
  await p.waitForFunction(() => /find=.*&around=2/.test(location.search) || /around=2.*find=/.test(location.search))
  const was = await state(p)
  const same = async (q) => { await until(async () => await state(q).catch(() => '') === was, wait) }
  await p.reload()
  await same(p)
  await p.click('#nav >> text=ConfigMaps')
  await p.waitForURL('**/configmaps')
  await p.goBack()
  await same(p)
  await p.goForward()
  await p.waitForURL('**/configmaps')
  await p.goBack()
  await same(p)
  // A copied link, to a line even, leads there through a login.
  await p.click('#main .lr:nth-child(2) .lg')
  const link = await p.getAttribute('[data-log=link]', 'href')
  const other = await context()
  const q = await other.newPage()
  await q.goto(new URL(link, server.url).href)
  await q.fill('#token', 'token-admin')
  await q.click('[data-testid=login]')
  await same(q)
  await until(async () => await q.textContent('.lr.marked .lx') === 'number 54', wait)
  await done(other)
  // The next log has what was chosen, but not what was looked for.
  node.log('shop/second/main', ['number 1', 'number 2'])
  await p.goto(server.url + page('second'))
  await until(async () => /^2 lines/.test(await status(p)), wait)
  assert.equal(await p.inputValue('[name=since]'), '15m')
  assert.equal(await p.inputValue('[data-log=time]'), 'utc')
  assert.equal(await p.inputValue('[data-log=find]'), '')
  assert.equal(await p.getAttribute('[data-log=wrap]', 'aria-pressed'), 'true')
  assert.match(await here(p), /since=15m.*time=utc.*wrap=1/)
  // And so has its tab in the dock, over a reload too.
  await p.selectOption('[name=since]', '5m')
  await p.fill('[data-log=find]', 'number 2')
  await p.waitForFunction(() => /find=/.test(location.search))
  await p.click('#main [data-dock=logs]')
  await p.waitForSelector('.dockpane mark', { timeout: wait })
  await p.selectOption('.dockpane [name=since]', '1h')
  await p.reload()
  await p.waitForSelector('.dockpane mark', { timeout: wait })
  assert.equal(await p.inputValue('.dockpane [name=since]'), '1h')
  await done(c)
})

test('R9, R18: a log by its keys: lines, marks, JSON, how much, the size of letters', async () => {
  await node.pod('shop', 'typed')
  const at = Date.now()
  for (let i = 1; i <= 400; i++) node.log('shop/typed/main', i === 399 ? '{"level":"warn","port":80}' : `number ${i}`, at - (400 - i) * 1000)
  const c = await context()
  const p = await login(server, c, 'token-admin', page('typed'))
  await live(p)
  await until(async () => /^400 lines/.test(await status(p)), wait)
  // The browser's own find sees the lines in the document only, so its key is the log's.
  await p.keyboard.press('Control+f')
  await p.keyboard.type('/number 1\\d$/')
  await p.waitForFunction(() => document.querySelector('[data-log=count]').textContent === '10 lines')
  await p.keyboard.press('Enter')
  await p.keyboard.press('Enter')
  await p.waitForFunction(() => document.querySelector('[data-log=count]').textContent === '2 of 10 lines')
  const found = await p.textContent('.lr.here .lx')
  assert.equal(found, 'number 11')
  await p.keyboard.press('Escape')
  await p.keyboard.press('Escape')
  await p.waitForFunction(() => document.activeElement.matches('[data-log=lines]'))
  await p.keyboard.press('j')
  const next = `number ${Number(found.slice(7)) + 1}`
  await until(async () => await p.textContent('.lr.here .lx') === next)
  await p.keyboard.press('m')
  await until(async () => await p.textContent('.lr.marked .lx') === next)
  assert.match(await here(p), /#t=/)
  await p.evaluate(() => { navigator.clipboard.writeText = async (t) => { window.copied = t } })
  await p.click('[data-log=link]')
  assert.equal(await p.evaluate(() => window.copied), await here(p))
  await p.focus('[data-log=lines]')
  await p.keyboard.press('m')
  assert.doesNotMatch(await here(p), /#/)
  // To the end, and from the last line to the one before it, which is JSON.
  await p.keyboard.press('End')
  await p.waitForFunction(() => [...document.querySelectorAll('.lr')].at(-1)?.textContent.includes('number 400'))
  for (const line of ['number 400', 'level']) {
    await p.keyboard.press('k')
    await p.waitForFunction((line) => document.querySelector('.lr.here')?.textContent.includes(line), line)
  }
  await p.keyboard.press('Enter')
  await p.waitForFunction(() => document.querySelector('.lr.here')?.textContent.includes('"port": 80'))
  // Letters: lines are as high as they are large, and the browser keeps it.
  const height = () => p.$eval('.lr:not(.here)', (e) => e.getBoundingClientRect().height)
  const usual = await height()
  for (let i = 0; i < 4; i++) await p.keyboard.press('Control+Equal')
  await until(async () => await height() === usual + 6)
  await p.click('[data-log=larger]')
  await until(async () => await height() > usual + 6)
  await p.reload()
  await until(async () => /^400 lines/.test(await status(p)), wait)
  await until(async () => await height() > usual + 6)
  const box = await p.$eval('[data-log=lines]', (e) => ({ page: e.clientHeight, all: e.scrollHeight }))
  assert.ok(Math.abs(box.all - 400 * await height()) < 40, JSON.stringify(box))
  await p.focus('[data-log=lines]')
  await p.keyboard.press('Control+0')
  await until(async () => await height() === usual)
  // How much of it: 3 is the last five minutes, 1 everything.
  await p.keyboard.press('3')
  await until(async () => /^([12]\d\d|\d\d?) lines/.test(await status(p)), wait)
  await p.focus('[data-log=lines]')
  await p.keyboard.press('1')
  await until(async () => /^400 lines/.test(await status(p)), wait)
  // The help lists these keys, while they do something.
  await p.focus('[data-log=lines]')
  await p.keyboard.press('?')
  assert.match(await p.textContent('#help'), /Mark the line/)
  await p.keyboard.press('Escape')
  // What was said so far can be forgotten.
  await p.click('[data-log=clear]')
  await until(async () => /^0 lines/.test(await status(p)))
  node.log('shop/typed/main', 'afterwards')
  await until(async () => (await shown(p)).join() === 'afterwards', wait)
  await done(c)
})

test('R19: every container has its place in the log: init, ephemeral, those of jobs, of a node, of a namespace', async () => {
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'batch' } })
  await server.create('/api/v1/namespaces/batch/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'batch' } }).catch(() => {})
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'i' }] } }
  const cron = await server.create('/apis/batch/v1/namespaces/batch/cronjobs', { apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'nightly' }, spec: { schedule: '0 3 1 1 *', suspend: true, jobTemplate: { spec: { template } } } })
  const run = async (name, owner) => {
    const job = await server.create('/apis/batch/v1/namespaces/batch/jobs', {
      apiVersion: 'batch/v1', kind: 'Job', metadata: { name, ownerReferences: owner && [{ apiVersion: 'batch/v1', kind: 'CronJob', name: owner.metadata.name, uid: owner.metadata.uid, controller: true }] },
      spec: { suspend: true, template },
    })
    await node.pod('batch', `${name}-pod`, { init: ['prepare'], labels: { 'batch.kubernetes.io/job-name': name }, owners: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: job.metadata.uid, controller: true }] })
    node.log(`batch/${name}-pod/prepare`, `prepared ${name}`)
    node.log(`batch/${name}-pod/main`, `ran ${name}`)
  }
  await run('nightly-1', cron)
  await run('other')
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/apis/batch/v1/namespaces/batch/cronjobs/nightly')
  await live(p)
  await p.keyboard.press('l')
  await until(async () => (await shown(p)).sort().join() === 'prepared nightly-1,ran nightly-1', wait)
  assert.match(await p.textContent('.logfoot'), /kubectl get jobs -n batch .* kubectl logs job\/\{\} --all-pods/)
  // Its next job joins, and so does a debug container.
  await run('nightly-2', cron)
  await until(async () => (await shown(p)).includes('ran nightly-2'), wait)
  await node.debug('batch', 'nightly-2-pod', 'debugger')
  node.log('batch/nightly-2-pod/debugger', 'debugging')
  await until(async () => (await shown(p)).includes('debugging'), wait)
  assert.ok((await p.$$eval('.logsource span', (l) => l.map((e) => e.textContent))).includes('nightly-2-pod/debugger'))
  assert.ok((await p.$$eval('.lr', (l) => l.map((e) => e.textContent))).includes('nightly-2-pod/debugger' + 'debugging'))
  assert.ok(!(await shown(p)).includes('ran other'))
  // Those of all pods of a node and of a namespace.
  await p.goto(server.url + '/ui/api/v1/namespaces/batch?tab=logs&container=main')
  await until(async () => (await shown(p)).sort().join() === 'ran nightly-1,ran nightly-2,ran other', wait)
  await p.goto(server.url + '/ui/api/v1/nodes/fake?tab=logs&container=debugger')
  await until(async () => (await shown(p)).join() === 'debugging', wait)
  assert.match(await p.textContent('.logfoot'), /--field-selector spec.nodeName=fake/)
  // Of a pod that has restarted the page leads to what it said before.
  await node.pod('batch', 'again', { restarts: 2 })
  node.container('batch/again/main').previous = [{ t: '2026-01-02T03:04:05.000000006Z', text: 'before the restart' }]
  await p.goto(server.url + '/ui/api/v1/namespaces/batch/pods/again')
  await p.click('text=Log before the restart')
  await until(async () => (await shown(p)).join() === 'before the restart', wait)
  await done(c)
})

test('R20: after a sleep the log goes on, and nothing looks alive that is not', async () => {
  await node.pod('shop', 'asleep')
  const wire = await Wire.to(server)
  const c = await context()
  const p = await c.newPage()
  await p.clock.install()
  await p.goto(`${wire.url}/login?next=${encodeURIComponent(page('asleep', '&since=all'))}`)
  await p.fill('#token', 'token-admin')
  await p.click('[data-testid=login]')
  await live(p)
  node.log('shop/asleep/main', numbered(20))
  await until(async () => { await p.clock.runFor(50); return /^20 lines/.test(await status(p)) }, wait)
  // The laptop sleeps for a night: no timer runs, and its connections are dead.
  wire.swallow()
  node.log('shop/asleep/main', numbered(20, 21))
  await p.evaluate(() => {
    const el = document.querySelector('#live')
    window.states = new Set()
    new MutationObserver(() => window.states.add(el.dataset.state)).observe(el, { attributes: true })
  })
  await p.clock.fastForward('08:00:00')
  await until(async () => { await p.clock.runFor(100); return /^40 lines/.test(await status(p)) }, wait)
  const states = await p.evaluate(() => [...window.states])
  assert.ok(states.includes('lost'), states.join())
  await live(p)
  assert.deepEqual(await all(p), Array.from({ length: 40 }, (_, i) => i + 1))
  // A network that swallows everything is noticed, and the page says since when.
  wire.stall()
  await p.clock.runFor(30_000)
  await p.waitForSelector('#live[data-state=lost]', { timeout: wait })
  await until(async () => /data from \d\d:\d\d:\d\d/.test(await p.textContent('#live')))
  await done(c)
  await wire.stop()
})
