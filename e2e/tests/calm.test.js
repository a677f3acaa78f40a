// Look and behaviour: how dense lists are, what moves and what does not, what
// each place can be copied from, linked to and said with.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
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
  await until(async () => (await seen()).height === 22)
  const compact = await seen()
  assert.equal(compact.height, 22)
  assert.ok(compact.whole >= 30, `${compact.whole} rows are seen`)
  await done(c)
  const other = await context({ javaScriptEnabled: false })
  const again = await login(server, other, 'token-admin', '/ui/api/v1/pods')
  assert.equal(await again.$eval('[data-body] tr', (tr) => tr.getBoundingClientRect().height), 22)
  await again.click('summary[aria-label=Theme]')
  await again.click('[name=density]')
  await until(() => again.$eval('[data-body] tr', (tr) => tr.getBoundingClientRect().height).then((height) => height === 28, () => false))
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

test('R6: how old what one sees is stands at one place on every page', async () => {
  const c = await context()
  const page = await login(server, c)
  let place
  for (const [path, state] of [
    ['/ui/', 'live'], [pods, 'live'], [pod, 'live'], [pod + '?tab=events', 'live'], [pod + '?tab=logs', 'live'], [pod + '?tab=watch', 'live'], [pods + '?view=watch', 'live'], ['/ui/requests', 'live'], ['/ui/audit', 'live'], ['/ui/explore', 'live'],
    ['/ui/resources', 'live'], ['/ui/access', 'still'], ['/ui/whocan?verb=get&resource=pods', 'still'], ['/ui/changes', 'still'], ['/ui/explore/kind?gv=api/v1&kind=Pod', 'still'], ['/ui/search?q=gate', 'still'], ['/ui/sessions', 'still'],
  ]) {
    await page.goto(server.url + path)
    await page.waitForSelector(`#live[data-state=${state}]`).catch((e) => { throw new Error(`${path}: ${e.message}`) })
    const text = (await page.textContent('#live')).trim()
    assert.match(text, state === 'live' ? /^live$/ : /^as of \d\d:\d\d:\d\d$/, path)
    const box = await page.$eval('#live i', (e) => { const b = e.getBoundingClientRect(); return [b.left, b.top] })
    assert.deepEqual(box, place ??= box, path)
    // It is the button that pauses what is live, and reads again what is not.
    if (path === '/ui/access') {
      await page.evaluate(() => { document.querySelector('#main h1').dataset.old = '1' })
      await page.click('#live')
      await page.waitForFunction(() => document.querySelector('#main h1') && !document.querySelector('#main h1').dataset.old)
    }
  }
  await done(c)
})

// shifts keeps what moves on a page, besides the indicator; all that moves, with what
// it is.
const shifts = (c) => c.addInitScript(() => {
  window.shifts = []
  const own = (s) => s.node?.nodeType === 1 ? s.node.closest('#live') : s.node?.parentElement?.closest('#live')
  const take = (l) => {
    for (const e of l) {
      const moved = e.sources.filter((s) => !own(s))
      if (moved.length) window.shifts.push(`${e.value.toFixed(4)} ${moved.map((s) => `${s.node?.nodeName}.${s.node?.className} ${[s.previousRect, s.currentRect].map((r) => [r.x, r.y].map(Math.round)).join(' > ')}`)}`)
    }
  }
  const observer = new PerformanceObserver((l) => take(l.getEntries()))
  observer.observe({ type: 'layout-shift', buffered: true })
  window.shifted = () => { take(observer.takeRecords()); return window.shifts.splice(0) }
})

test('R6: nothing moves when the connection is lost and made again, or when a part comes later', async () => {
  const c = await context()
  await shifts(c)
  const page = await login(server, c)
  // What moves is told after a frame, and later on a busy machine.
  const shifted = async () => {
    await quiet(page, 150)
    return page.evaluate(() => new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => ok(window.shifted()))))))
  }
  const moved = async (what) => assert.deepEqual(await shifted(), [], what)
  const cut = async (what) => {
    await c.setOffline(true)
    await page.waitForSelector('#live[data-state=lost]')
    await c.setOffline(false)
    await live(page)
    await moved(`${what}: a reconnect`)
  }
  await page.goto(server.url + '/ui/')
  await live(page)
  await page.waitForSelector('[data-plot]')
  await shifted() // the overview follows what is new
  await cut('overview')
  await page.goto(server.url + pods)
  await live(page)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#panel [data-object]')
  await shifted() // the list makes room for the panel, as one wants it
  const frame = () => page.evaluate(() => ['#panel .title', '#panel .tabs', '.list', '[data-body] tr', '#panel .title h2'].map((s) => { const b = document.querySelector(s).getBoundingClientRect(); return [s, b.left, b.top, b.height] }))
  const was = await frame()
  for (const key of 'yvrahd') {
    await page.keyboard.press(key)
    await page.waitForSelector(`#panel .tabs [data-key=${key}][aria-current]`)
    await moved(`the tab of ${key}`)
    assert.deepEqual(await frame(), was, key)
  }
  for (let i = 0; i < 2; i++) {
    const name = await page.textContent('#panel h2')
    await page.keyboard.press('j')
    await page.waitForFunction((name) => document.querySelector('#panel h2')?.textContent !== name, name)
    await moved('the next row')
  }
  await cut('list and panel')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette[open]')
  await page.keyboard.type('gateway')
  await page.waitForSelector('#palette [role=option] >> text=gateway')
  assert.deepEqual((await shifted()).filter((s) => !/palette|LI|A\./.test(s)), [], 'the palette moves nothing below it')
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.waitForSelector('#help[open]')
  await moved('the help')
  await page.keyboard.press('Escape')
  for (const path of [pod, pod + '?tab=events', pod + '?tab=related', '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway', '/ui/explore/kind?gv=api/v1&kind=Pod', '/ui/whocan?verb=get&resource=pods', '/ui/sessions', pod + '?delete=1']) {
    await page.goto(server.url + path)
    const all = await shifted() // a document that is painted before it is whole moves a little
    assert.ok(all.reduce((sum, s) => sum + parseFloat(s), 0) < 0.002, `${path}: ${all}`)
  }
  await page.goto(server.url + '/ui/explore/kind?gv=api/v1&kind=Pod')
  const head = () => page.$eval('#main h1', (e) => e.getBoundingClientRect().top)
  const top = await head()
  await page.click('#main details:has(summary) > summary >> nth=0')
  await quiet(page, 100)
  assert.equal(await head(), top)
  await done(c)
})

test('R5: a changed cell fades for 600 ms, and nothing else is animated', async () => {
  const c = await context()
  const page = await login(server, c)
  const animated = () => page.evaluate(() => {
    const list = document.getAnimations().map((a) => `${a.animationName ?? a.transitionProperty} of ${a.effect.target.nodeName}.${a.effect.target.className}`)
    for (const e of document.querySelectorAll('body *')) {
      if (e.closest('.cm-editor')) continue // a caret blinks, as those of the system do
      const s = getComputedStyle(e)
      if (s.transitionDuration.split(', ').some((d) => parseFloat(d)) || s.animationName !== 'none') list.push(`${s.transitionProperty} ${s.animationName} of ${e.nodeName}.${e.className}`)
    }
    return list.filter((t) => !/cm-/.test(t))
  })
  for (const path of ['/ui/', pod, pod + '?tab=logs', pod + '?tab=yaml', pod + '?edit=1', pod + '?delete=1', '/ui/explore', '/ui/requests', '/ui/audit', '/ui/whocan?verb=get&resource=pods']) {
    await page.goto(server.url + path)
    await quiet(page, 50)
    assert.deepEqual(await animated(), [], path)
  }
  await page.goto(server.url + pods)
  await live(page)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#panel [data-object]')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette[open]')
  assert.deepEqual(await animated(), [], 'with panel and palette')
  await page.keyboard.press('Escape')
  await page.evaluate(() => {
    window.fades = []
    document.addEventListener('animationstart', () => {
      for (const a of document.getAnimations()) window.fades.push({ is: a.effect.target.nodeName + '.' + a.effect.target.className, text: a.effect.target.textContent, ms: a.effect.getComputedTiming().activeDuration, what: [...new Set(a.effect.getKeyframes().flatMap((k) => Object.keys(k)))].filter((k) => !['offset', 'computedOffset', 'easing', 'composite'].includes(k)) })
    })
  })
  let n = 6000
  const one = (await names(page))[4]
  await until(async () => { // a frame may be later than the end of a fade
    await restart(one, ++n)
    return page.waitForFunction(() => window.fades.length > 0, null, { timeout: 5000 }).catch(() => null)
  })
  for (const f of await page.evaluate(() => window.fades)) {
    assert.match(f.is, /^TD\..*flash/)
    assert.equal(f.ms, 600)
    assert.ok(f.what.every((k) => k.startsWith('background')), `fades ${f.what}`)
  }
  await until(async () => (await animated()).filter((t) => !/flash/.test(t)).length === 0)
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

test('R6: times in cells run on, and what tells of the same moment again is no change', async () => {
  const c = await context()
  const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString().replace(/\..*/, 'Z')
  await server.create('/api/v1/namespaces', { metadata: { name: 'clocks' } })
  const base = '/api/v1/namespaces/clocks'
  await server.create(base + '/pods', { metadata: { name: 'again' }, spec: { nodeName: 'nowhere', containers: [{ name: 'c', image: 'i' }] } })
  const restarted = (labels) => server.api('PATCH', base + '/pods/again/status', { metadata: { labels }, status: { containerStatuses: [{ name: 'c', image: 'i', imageID: 'i', ready: true, restartCount: 4, lastState: { terminated: { exitCode: 1, finishedAt } } }] } }, 'application/strategic-merge-patch+json')
  const finishedAt = ago(20)
  await restarted({})
  await server.create(base + '/events', { metadata: { name: 'seen' }, involvedObject: { kind: 'Pod', namespace: 'clocks', name: 'again' }, reason: 'Seen', message: 'seen', type: 'Normal', firstTimestamp: ago(20), lastTimestamp: ago(20), count: 1 })
  const page = await login(server, c, 'token-admin', '/ui' + base + '/events')
  const runs = async (row, pattern) => {
    const cell = `[data-body] tr:has-text("${row}") td:has(time):not(.age)`
    const text = () => page.textContent(cell)
    const first = await text()
    assert.match(first, pattern)
    await until(async () => await text() !== first)
    assert.match(await text(), pattern)
    assert.match(await page.getAttribute(cell + ' time', 'title'), /^about \d{4}-/)
  }
  await live(page)
  await runs('again', /^\d+s$/)
  await page.goto(server.url + '/ui' + base + '/pods')
  await live(page)
  await runs('again', /^4 \(\d+s ago\)$/)
  await page.evaluate(() => {
    window.flashed = false
    new MutationObserver((l) => { for (const m of l) for (const n of m.addedNodes) window.flashed ||= n.nodeType === 1 && n.matches('td.flash') && n.querySelector('time') !== null }).observe(document.querySelector('[data-body]'), { subtree: true, childList: true })
  })
  const version = () => page.getAttribute('[data-body] tr', 'data-v')
  const was = await version()
  await restarted({ a: 'b' })
  await until(async () => await version() !== was)
  assert.equal(await page.evaluate(() => window.flashed), false)
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

test('R12: the commands of a list leave out, and take in, the namespaces that it does', async () => {
  const c = await context()
  const page = await login(server, c)
  const run = (command) => execFileSync('sh', ['-c', command], { env: { ...process.env, KUBECONFIG: `${server.dir}/data/admin.kubeconfig`, TOKEN: 'token-admin' }, encoding: 'utf8' })
  const kubectl = (() => { try { run('kubectl version --client'); return true } catch { return false } })()
  for (const path of ['/ui/api/v1/pods?ns=shop,payments&except=1', '/ui/api/v1/pods?ns=shop,payments', '/ui/api/v1/pods?ns=shop&except=1&q=-l app%3Dcart -f status.phase%3DRunning', '/ui/api/v1/pods?ns=shop']) {
    await page.goto(server.url + path)
    const count = Number((await page.textContent('[data-testid=count]')).match(/^[\d,]+/)[0].replace(',', ''))
    assert.ok(count > 0 && count < 121, `${path}: ${count}`)
    const [k, curl] = await page.$$eval('.same [data-same]', (l) => l.map((e) => e.textContent))
    const items = JSON.parse(`[${run(curl.replace('curl -H', `curl -sS -w ', ' -H`)).replace(/, $/, '')}]`).flatMap((l) => l.items)
    assert.equal(items.length, count, curl)
    if (kubectl) assert.equal(run(k.replaceAll('kubectl get', 'kubectl get --no-headers')).trim().split('\n').length, count, k)
  }
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

test('R9: every kind has the same tabs with the same keys, in the panel and on its page', async () => {
  const c = await context()
  const page = await login(server, c)
  const all = { d: 'Overview', y: 'YAML', v: 'Events', r: 'Related', a: 'Access', l: 'Logs', s: 'Shell', w: 'Watch', h: 'History' }
  const tabs = (root) => page.$$eval(`${root} .tabs a`, (l) => l.map((a) => [a.dataset.key, a.textContent.trim()]))
  const apps = 'apis/apps/v1/namespaces/shop'
  for (const [list, object, pods] of [
    ['api/v1/namespaces/shop/pods', 'api-gateway-6c9f-x2b7q', true], [`${apps}/deployments`, 'api-gateway', true], [`${apps}/replicasets`, 'api-gateway-6c9f', true], [`${apps}/statefulsets`, 'ledger-db', true], [`${apps}/daemonsets`, 'log-agent', true],
    ['apis/batch/v1/namespaces/shop/jobs', 'report-28700', true], ['apis/batch/v1/namespaces/shop/cronjobs', 'report', true], ['api/v1/namespaces/shop/services', 'api-gateway', true], ['api/v1/nodes', 'node-01', true], ['api/v1/namespaces', 'shop', true],
    ['apis/example.com/v1/namespaces/shop/databases', 'orders', false], ['apis/apiextensions.k8s.io/v1/customresourcedefinitions', 'databases.example.com', false], ['api/v1/namespaces/shop/configmaps', 'api-gateway-config', false],
    ['apis/rbac.authorization.k8s.io/v1/clusterroles', 'view', false],
  ]) {
    // Logs and shells are of what has pods, and of nothing else.
    const expected = Object.entries(all).filter(([key]) => pods || !'ls'.includes(key))
    await page.goto(`${server.url}/ui/${list}/${object}`)
    assert.deepEqual(await tabs('#main'), expected, list)
    for (const [key] of list.includes('databases') ? expected : []) {
      if (key !== 's') {
        await page.keyboard.press(key)
        await page.waitForSelector(`#main .tabs [data-key=${key}][aria-current]`)
      }
    }
    await page.goto(`${server.url}/ui/${list}?sel=${list}/${object}`)
    await page.waitForSelector('#panel [data-object]')
    assert.deepEqual(await tabs('#panel'), expected, `the panel of ${list}`)
  }
  await done(c)
})
