// R11: columns of one's own, kept on the server, and views with names.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, crd } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 40)
})
after(async () => {
  await quit()
  await server.stop()
})

const heads = (page) => page.$$eval('table.list thead th a', (l) => l.map((a) => a.textContent))
const path = '/ui/api/v1/namespaces/shop/pods'

test('R11: columns are chosen, from the objects too, and lists sort and filter by them', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', path)
  await live(page)
  await page.click('[data-testid=columns] > summary')
  for (const name of ['Ready', 'Age']) await page.uncheck(`[data-columns] [value=${name}]`)
  await page.check('[data-columns] [value=Node]')
  await page.fill('[data-columns] input[name=cols]:not([type=checkbox])', 'label:tier, .spec.containers[*].name')
  await page.click('[data-columns] button.primary')
  await page.waitForURL(/cols=/)
  await live(page)
  assert.deepEqual(await heads(page), ['Name', 'Status', 'Restarts', 'Node', 'tier', 'name'])
  const items = (await server.api('GET', '/api/v1/namespaces/shop/pods')).items
  const cells = () => page.$$eval('[data-body] tr[data-uid]', (l) => l.map((tr) => [...tr.cells].slice(1).map((td) => td.innerText.trim())))
  const by = Object.fromEntries((await cells()).map((row) => [row[0], row]))
  assert.equal(Object.keys(by).length, items.length)
  for (const p of items) assert.deepEqual(by[p.metadata.name].slice(3), [p.spec.nodeName, p.metadata.labels.tier, p.spec.containers.map((k) => k.name).join(' ')])
  await page.click('th >> text=tier')
  await until(async () => { const tiers = (await cells()).map((r) => r[4]); return tiers.length === items.length && tiers.join() === [...tiers].sort().join() })
  // A change reaches the column.
  await server.api('PATCH', `/api/v1/namespaces/shop/pods/${items[0].metadata.name}`, { metadata: { labels: { tier: 'zzz' } } }, 'application/merge-patch+json')
  await until(async () => (await cells()).at(-1)[4] === 'zzz')
  // The address is the state, in another browser too.
  const other = await context()
  const copied = await login(server, other, 'token-admin', page.url().slice(server.url.length))
  await live(copied)
  assert.deepEqual(await heads(copied), await heads(page))
  await done(other)
  // What is wrong with a path is said, and what was typed and the rows stay.
  await page.click('[data-testid=columns] > summary')
  await page.fill('[data-columns] input[name=cols]:not([type=checkbox])', '.spec[')
  await page.click('[data-columns] button.primary')
  await page.waitForSelector('[data-problem]:not([hidden])')
  assert.match(await page.textContent('[data-problem]'), /\.spec\[/)
  assert.equal((await cells()).length, items.length)
  await done(c)
})

test('R11: what is kept is there in every browser, until it is as usual again', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', path + '?cols=Name,Node&sort=node')
  await live(page)
  await page.click('[data-testid=columns] > summary')
  const chooser = await page.$('[data-testid=columns]')
  await page.click('button[value=keep]')
  await page.waitForFunction((was) => !was.isConnected && document.querySelector('[data-testid=columns]'), chooser) // the page is another one
  await page.evaluate(() => { document.querySelector('[data-testid=columns]').open = true })
  await page.fill('[data-testid=columns] input[name=name]', 'By node')
  await page.click('button[value=view]')
  await page.waitForSelector('.nav >> text=By node')
  const other = await context()
  const second = await login(server, other, 'token-admin', '/ui/api/v1/pods')
  await live(second)
  assert.match(second.url(), /cols=Name%2CNode&sort=node/)
  assert.deepEqual(await heads(second), ['Namespace', 'Name', 'Node'])
  const link = await page.getAttribute('.nav a >> text="By node"', 'href')
  await second.click('.nav >> text=By node')
  await second.waitForURL((u) => u.pathname === path)
  await done(other)
  const third = await context()
  const dev = await login(server, third, 'token-dev', '/ui/')
  assert.equal(await dev.$('.nav >> text=By node'), null, 'views are their user\'s')
  const fourth = await context() // whose link is for everybody
  const someone = await login(server, fourth, 'token-admin', link)
  await live(someone)
  assert.deepEqual(await heads(someone), ['Name', 'Node'])
  assert.equal(await someone.getAttribute('th[data-col=node]', 'aria-sort'), 'ascending')
  await done(fourth)
  await done(third)
  await page.evaluate(() => { document.querySelector('[data-testid=columns]').open = true })
  await page.click('button[value=usual]')
  await page.waitForURL((u) => !u.search)
  await live(page)
  assert.ok((await heads(page)).includes('Ready'))
  await done(c)
})

test('R11: columns are as wide as one drags them, in every browser', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', path)
  await live(page)
  const width = (p, name) => p.$$eval('table.list thead th', (l, name) => l.find((th) => th.innerText.trim() === name).getBoundingClientRect().width, name)
  const before = { Name: await width(page, 'Name'), Ready: await width(page, 'Ready') }
  const grip = await (await page.$('th[data-col=name] .grip')).boundingBox()
  const kept = page.waitForResponse((r) => r.url().endsWith('/ui/prefs'))
  await page.mouse.move(grip.x + 4, grip.y + 8)
  await page.mouse.down()
  await page.mouse.move(grip.x + 64, grip.y + 8, { steps: 4 })
  await page.mouse.up()
  assert.equal((await kept).status(), 204)
  assert.ok(Math.abs(await width(page, 'Name') - before.Name - 60) < 3, 'the column follows the pointer')
  assert.ok(Math.abs(await width(page, 'Ready') - before.Ready) < 3, 'the others stay')
  const other = await context()
  const second = await login(server, other, 'token-admin', path)
  await live(second)
  assert.ok(Math.abs(await width(second, 'Name') - before.Name - 60) < 20)
  // By a number, and sorted meanwhile.
  await second.click('[data-testid=columns] > summary')
  await second.fill('[data-width=ready]', '30')
  await second.press('[data-width=ready]', 'Tab')
  await until(async () => await width(second, 'Ready') > 150)
  await second.click('th >> text=Name')
  await second.waitForURL(/sort=name/)
  await live(second)
  assert.ok(await width(second, 'Ready') > 150)
  // As before, by a double click.
  await second.dblclick('th[data-col=name] .grip')
  await until(async () => Math.abs(await width(second, 'Ready') - before.Ready) < 3)
  await done(other)
  await done(c)
})

test('R11: the columns of every type are those of kubectl get, and wide those of -o wide', async () => {
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('databases', 'Database'))
  const types = async () => {
    const versions = (await server.api('GET', '/apis')).groups.map((g) => 'apis/' + g.preferredVersion.groupVersion)
    const lists = await Promise.all(['api/v1', ...versions].map(async (gv) => (await server.api('GET', '/' + gv)).resources.map((r) => ({ ...r, path: `/${gv}/${r.name}` }))))
    return lists.flat().filter((r) => r.verbs.includes('list'))
  }
  const all = await until(async () => { const l = await types(); return l.some((r) => r.name === 'databases') && l })
  assert.ok(all.length > 60, `${all.length} types`)
  const c = await context()
  const page = await login(server, c)
  const table = { headers: { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io', Authorization: 'Bearer token-admin' } }
  await server.many(all.length, async (i) => { // the pages as the browser gets them
    const { path, namespaced } = all[i]
    const { columnDefinitions } = await (await fetch(server.url + path + '?limit=1', table)).json()
    for (const wide of [false, true]) {
      const html = await (await page.request.get(`${server.url}/ui${path}?${wide ? 'wide=1' : 'sort=name'}`)).text()
      const shown = [...html.match(/<thead.*?<\/thead>/s)[0].matchAll(/<th [^>]*data-col.*?<a [^>]*>(.*?)<\/a>/gs)].map((m) => m[1])
      assert.deepEqual(shown, [...namespaced ? ['Namespace'] : [], ...columnDefinitions.filter((d) => wide || d.priority === 0).map((d) => d.name)], path)
    }
  }, 8)
  await page.goto(server.url + '/ui/api/v1/pods?wide=1')
  assert.equal((await heads(page)).join(' ').toUpperCase(), 'NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES')
  await page.goto(server.url + '/ui/apis/example.com/v1/databases?wide=1')
  assert.deepEqual(await heads(page), ['Namespace', 'Name', 'Size', 'Phase', 'Engine'])
  await done(c)
})

test('Section 9: beside the panel a list shows names, states and ages without scrolling sideways', async () => {
  for (const [width, shown, path] of [
    [1024, ['Name', 'Status', 'Age'], '/ui/api/v1/pods'],
    [1440, ['Namespace', 'Name', 'Status', 'Age'], '/ui/api/v1/pods'],
    [1024, ['Name', 'Ready', 'Age'], '/ui/apis/apps/v1/deployments'],
  ]) {
    const c = await context({ viewport: { width, height: 768 } })
    const page = await login(server, c, 'token-admin', path)
    await live(page)
    const seen = () => page.$$eval('table.list thead th[data-col]', (l) => l.filter((th) => th.offsetWidth).map((th) => th.textContent.trim()))
    const all = await page.$$eval('table.list thead th[data-col]', (l) => l.map((th) => th.textContent.trim()))
    const sideways = () => page.$eval('.rows', (el) => el.scrollWidth - el.clientWidth)
    await page.click('[data-body] tr[data-uid] .name a')
    await page.waitForSelector('#panel [data-object]')
    await until(async () => (await sideways()) <= 0)
    for (const name of shown) assert.ok((await seen()).includes(name), `${name} at ${width} px: ${await seen()}`)
    // The cells of a row are those of the columns.
    assert.equal(await page.$eval('[data-body] tr[data-uid]', (tr) => [...tr.cells].filter((td) => td.offsetWidth).length - 1), (await seen()).length)
    await page.keyboard.press('Escape')
    await page.waitForSelector('#panel', { state: 'hidden' })
    if (width === 1440) await until(async () => (await seen()).length === all.length)
    await done(c)
  }
  // Who asks for more columns gets them all.
  const c = await context({ viewport: { width: 1024, height: 768 } })
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods?wide=1')
  await live(page)
  assert.ok(await page.$$eval('table.list thead th[data-col]', (l) => l.length > 8 && l.every((th) => th.offsetWidth)))
  await done(c)
})

test('Section 9: the bars of the capacity are of one width, and begin at the same places', async () => {
  for (const width of [1440, 1024, 375]) {
    const c = await context({ viewport: { width, height: 900 } })
    const page = await login(server, c, 'token-admin', '/ui/')
    await page.waitForSelector('[data-testid=capacity] .share')
    const bars = await page.$$eval('[data-testid=capacity] .share', (l) => l.map((el) => Math.round(el.getBoundingClientRect().width)))
    assert.ok(bars.length >= 5 && Math.max(...bars) - Math.min(...bars) <= 1, `${bars} at ${width} px`)
    await done(c)
  }
})
