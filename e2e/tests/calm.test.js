// Look and behaviour: how dense lists are, what moves and what does not, what
// each place can be copied from, linked to and said with.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quiet, quit, until } from '../harness.js'

const pods = '/ui/api/v1/namespaces/shop/pods'
const pod = `${pods}/api-gateway-6c9f-x2b7q`

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 120)
  await kinds(server)
})
after(async () => {
  await quit()
  await server.stop()
})

const restart = (name, n) => server.api('PATCH', `${pods.slice(3)}/${name}/status`, { status: { containerStatuses: [{ name: 'main', image: 'i', imageID: '', ready: true, restartCount: n }] } }, 'application/merge-patch+json')
const names = (page) => page.$$eval('[data-body] tr:not(.gone) td.name', (l) => l.map((td) => td.textContent))

test('R8: rows are 28 px high, or 22 px as the user wants it, everywhere they log in', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods')
  await live(page)
  const seen = () => page.evaluate(() => {
    const view = document.querySelector('[data-scroll]').getBoundingClientRect()
    const head = document.querySelector('.list thead').getBoundingClientRect()
    const rows = [...document.querySelectorAll('[data-body] tr')].map((tr) => tr.getBoundingClientRect())
    return { height: rows[3].top - rows[2].top, whole: rows.filter((r) => r.top >= head.bottom - 1 && r.bottom <= view.bottom + 1).length }
  })
  assert.deepEqual(await seen(), { height: 28, whole: 28 })
  const cells = await page.$eval('td.num', (td) => { const s = getComputedStyle(td); return [s.textAlign, s.fontVariantNumeric] })
  assert.deepEqual(cells, ['right', 'tabular-nums'])
  await page.click('summary[aria-label=Theme]')
  await Promise.all([page.waitForResponse((r) => r.url().endsWith('/ui/theme')), page.click('[data-act=density]')])
  const compact = await seen()
  assert.equal(compact.height, 22)
  assert.ok(compact.whole >= 30, `${compact.whole} rows are seen`)
  await done(c)
  const other = await context({ javaScriptEnabled: false })
  const again = await login(server, other, 'token-admin', '/ui/api/v1/pods')
  assert.equal(await again.$eval('[data-body] tr', (tr) => tr.getBoundingClientRect().height), 22)
  await again.click('summary[aria-label=Theme]')
  await again.click('[name=density]')
  assert.equal(await again.$eval('[data-body] tr', (tr) => tr.getBoundingClientRect().height), 28)
  await done(other)
})

test('R4: the order holds while the pointer is on the rows, and says what moved', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pods + '?sort=restarts&desc=1')
  await live(page)
  const before = await names(page)
  const box = await (await page.$(`[data-body] tr:nth-child(6)`)).boundingBox()
  await page.mouse.move(box.x + 200, box.y + 10)
  const [one, two] = [before[9], before[11]]
  await restart(one, 5001)
  await restart(two, 5002)
  await page.waitForFunction(() => /^2 /.test(document.querySelector('[data-pill]:not([hidden])')?.textContent ?? ''))
  await page.waitForSelector('td >> text=5002')
  assert.deepEqual(await names(page), before, 'what rows show changes, not where they stand')
  await page.mouse.move(box.x + 200, 5)
  await until(async () => (await names(page))[0] === two && (await names(page))[1] === one)
  assert.ok(await page.isHidden('[data-pill]'))
  await done(c)
})

test('R6: the indicator pauses, and moves nothing beside it when the connection is lost', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  const places = () => page.evaluate(() => ['.search', '#live i', '.who', 'h1', '.list', '[data-body] tr'].map((s) => { const b = document.querySelector(s).getBoundingClientRect(); return [s, b.left, b.top, s === '#live i' ? 0 : b.width] }))
  const was = await places()
  await c.setOffline(true)
  await page.waitForSelector('#live[data-state=lost]')
  assert.deepEqual(await places(), was)
  await c.setOffline(false)
  await live(page)
  assert.deepEqual(await places(), was)
  await page.click('#live')
  await page.waitForSelector('#live[data-state=paused]')
  assert.deepEqual(await places(), was.map(([s, x, y, w]) => [s, x, y, w]))
  await page.click('#live')
  await live(page)
  await done(c)
})

test('R8: one timer counts ages, and touches only those that change', async () => {
  const c = await context()
  await c.addInitScript(() => {
    window.timers = 0
    const was = setInterval
    window.setInterval = (f, ms) => { window.timers += /document\.hidden/.test(f) && ms === 1000; return was(f, ms) }
  })
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  const seen = await page.evaluate(() => new Promise((ok) => {
    const times = [...document.querySelectorAll('[data-body] time')]
    for (const t of times) t.dateTime = new Date(Date.now() - 3 * 86400e3 - 5e3).toISOString()
    times[0].dateTime = new Date(Date.now() - 30e3).toISOString()
    setTimeout(() => {
      const touched = new Set()
      const o = new MutationObserver((l) => { for (const m of l) if (m.target.closest?.('time')) touched.add(m.target.closest('time')) })
      o.observe(document.querySelector('[data-body]'), { subtree: true, childList: true, characterData: true })
      setTimeout(() => { o.disconnect(); ok({ timers: window.timers, touched: [...touched].map((t) => times.indexOf(t)) }) }, 2500)
    }, 1500)
  }))
  assert.equal(seen.timers, 1)
  assert.deepEqual(seen.touched, [0])
  await done(c)
})

// contrast is that of two colours by WCAG.
const contrast = (a, b) => {
  const l = (c) => c.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0)
  const [x, y] = [l(a), l(b)].sort((p, q) => q - p)
  return (x + 0.05) / (y + 0.05)
}

test('R8: text has a contrast of 7 to 1, dark is no black, and logs and shells are of the theme', async () => {
  for (const theme of ['dark', 'light', 'contrast']) {
    const c = await context()
    await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
    const page = await login(server, c, 'token-admin', pod)
    await live(page)
    const colours = await page.evaluate(() => {
      const of = (name) => { const e = document.createElement('i'); e.style.color = `var(${name})`; document.body.append(e); const v = getComputedStyle(e).color.match(/\d+/g).map(Number); e.remove(); return v }
      return { bg: of('--bg'), side: of('--side'), text: of('--text'), dim: of('--dim'), body: getComputedStyle(document.body).color.match(/\d+/g).map(Number) }
    })
    assert.deepEqual(colours.body, colours.text)
    for (const on of ['bg', 'side']) {
      assert.ok(contrast(colours.text, colours[on]) >= 7, `${theme}: text on ${on} ${contrast(colours.text, colours[on])}`)
      assert.ok(contrast(colours.dim, colours[on]) >= 4.5, `${theme}: dim on ${on}`)
    }
    if (theme === 'dark') assert.ok(colours.bg.concat(colours.side).every((v) => v > 10), 'no black')
    await page.goto(server.url + pod + '?tab=logs')
    const lines = await page.$eval('.loglines', (e) => { const s = getComputedStyle(e); return [s.backgroundColor.match(/\d+/g).map(Number), s.fontFamily] })
    assert.deepEqual(lines, [colours.side, await page.evaluate(() => getComputedStyle(document.querySelector('code')).fontFamily)])
    await done(c)
  }
})

test('R8: names, images and labels are links or are copied, by a click or c', async () => {
  const c = await context({ permissions: ['clipboard-read', 'clipboard-write'] })
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  const copied = (text) => until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === text)
  await page.keyboard.press('j')
  await page.keyboard.press('c')
  await copied((await names(page))[0])
  await page.goto(server.url + pod)
  await live(page)
  const image = await page.textContent('.containers td.wrap .copy')
  await page.click('.containers td.wrap .copy')
  await copied(image.trim())
  await page.hover('.facts .chip[href] >> nth=0')
  await page.keyboard.press('c')
  await copied((await page.textContent('.facts .chip[href] >> nth=0')).trim())
  for (const what of ['.facts dd a[href*="/nodes/"]', '.facts .chip[href*="replicasets"]', '.facts .chip[href*="q=-l"]', '.crumbs a[href$="/pods"]']) assert.ok(await page.isVisible(what), what)
  await done(c)
})

test('R8: every view tells itself for kubectl and for curl', async () => {
  const c = await context({ permissions: ['clipboard-read', 'clipboard-write'] })
  const page = await login(server, c)
  const asked = {
    '/ui/': /^kubectl get nodes,pods/, [pods + '?q=-l app%3Dbilling']: /^kubectl get pods -n shop -l app=billing$/, [pod]: /^kubectl get pods /, [pod + '?tab=yaml']: /-o yaml$/,
    [pod + '?tab=events']: /^kubectl get events/, [pod + '?tab=access']: /^kubectl auth can-i/, [pod + '?tab=logs']: /^kubectl logs/, [pod + '?tab=history']: /history/, [pods + '?view=watch']: /--watch/,
    [pod + '?delete=1']: /^kubectl delete pods/, '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway?act=scale': /^kubectl scale/,
    '/ui/resources': /^kubectl api-resources/, '/ui/explore': /openapi/, '/ui/explore/kind?gv=api/v1&kind=Pod&field=spec.containers': /^kubectl explain/,
    '/ui/whocan?verb=get&resource=pods': /rolebindings/, '/ui/subject?kind=User&name=dev': /--as=dev/, '/ui/access': /--list/, '/ui/whoami': /whoami/, '/ui/requests': /--raw/, '/ui/audit': /--raw/, '/ui/changes': /--raw/, '/ui/apply': /apply --server-side/,
  }
  for (const [path, kubectl] of Object.entries(asked)) {
    await page.goto(server.url + path)
    assert.match(await page.textContent('.same [data-same=kubectl]'), kubectl, path)
    const curl = await page.textContent('.same [data-same=curl]')
    assert.ok(curl.startsWith('curl ') && curl.includes(server.url), `${path}: ${curl}`)
  }
  await page.goto(server.url + pods)
  await live(page)
  await page.click('.same > summary')
  await page.click('.same .sameline:nth-child(2) button')
  await until(async () => /^curl .*\/api\/v1\/namespaces\/shop\/pods$/.test((await page.evaluate(() => navigator.clipboard.readText())).replaceAll("'", '')))
  await done(c)
})

test('R22: a field of YAML leads to its description, and from there to all objects', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pod + '?tab=yaml')
  await page.click('.ln a.yk >> text="image" >> nth=0')
  await page.waitForURL(/field=spec.containers.image/)
  await page.click('.title a.button[href*="cols="]')
  await page.waitForURL(/cols=Name/)
  await live(page)
  assert.match(await page.textContent('[data-body]'), /registry\.example\/shop\/api-gateway/)
  await done(c)
})

test('R8: buttons say what they are about', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pod)
  assert.ok(await page.isVisible('role=link[name="Delete Pod api-gateway-6c9f-x2b7q"]'))
  await page.goto(server.url + pod + '?delete=1')
  assert.equal((await page.textContent('[data-testid=confirm]')).trim(), 'Delete Pod api-gateway-6c9f-x2b7q')
  await done(c)
})

test('R8: tables of the panel and of small windows do not scroll sideways', async () => {
  for (const width of [1440, 768, 320]) {
    const c = await context({ viewport: { width, height: 900 } })
    const page = await login(server, c)
    for (const path of ['api/v1/pods/api-gateway-6c9f-x2b7q', 'apis/apps/v1/deployments/api-gateway', 'api/v1/services/api-gateway', 'apis/networking.k8s.io/v1/ingresses/shop']) {
      const [, group, , plural, name] = path.match(/^(apis?\/(.*\/)?v\d)\/(\w+)\/(.*)$/)
      const at = `${group}/namespaces/shop/${plural}`
      await page.goto(server.url + (width > 1000 ? `/ui/${at}?sel=${at}/${name}` : `/ui/${at}/${name}`))
      const root = width > 1000 ? '#panel' : '#main'
      await page.waitForSelector(root + ' [data-object]')
      await quiet(page, 100)
      const wide = await page.$$eval(`${root} :is(.sideways, .body)`, (l) => l.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => `${e.getAttribute('aria-label')}: ${e.scrollWidth} in ${e.clientWidth}`))
      assert.deepEqual(wide, [], `${path} at ${width} px`)
    }
    await done(c)
  }
})
