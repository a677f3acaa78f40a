// R22 and R23: the API explorer, trying operations, and the raw watch.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, crd } from '../fixture.js'
import { Server, context, done, figure, live, login, quiet, quit, tasks, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 30)
})
after(async () => {
  await quit()
  await server.stop()
})

test('R22: the index lists the API, and a field is a few clicks away', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore')
  const first = Date.now()
  const answer = await page.goto(server.url + '/ui/explore')
  figure('R22 explorer index', Date.now() - first, 300, { slack: 100 })
  assert.ok((await answer.body()).length > 10_000)
  await page.click('.api >> text=deployments')
  for (const [i, field] of ['spec', 'template', 'spec', 'containers'].entries()) {
    await page.click(`.fields td:first-child a >> text="${field}"`)
    await page.waitForURL((u) => u.searchParams.get('field')?.split('.').length === i + 1)
  }
  assert.match(page.url(), /field=spec.template.spec.containers/)
  assert.match(await page.textContent('.fields'), /livenessProbe/)
  assert.match(await page.textContent('.command'), /kubectl explain deployments.spec.template.spec.containers/)
  assert.match(await page.textContent('.promise'), /stable stays as it is/)
  const answer2 = await page.goto(page.url())
  assert.equal(answer2.status(), 200)
  await done(c)
})

test('R22: the index and each operation come soon and small', async () => {
  const c = await context()
  const page = await login(server, c)
  const cdp = await c.newCDPSession(page)
  await cdp.send('Network.enable')
  let bytes = 0, open = 0
  cdp.on('Network.requestWillBeSent', () => { open++ })
  cdp.on('Network.loadingFinished', (e) => { open--; bytes += e.encodedDataLength })
  cdp.on('Network.loadingFailed', () => { open-- })
  const measure = async (path, whole = 'html.js') => {
    await page.goto('about:blank')
    bytes = open = 0
    await page.goto(server.url + path)
    await page.waitForSelector(whole)
    await quiet(page)
    await until(() => open <= 0)
    return { bytes, ms: await page.evaluate(() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd) }
  }
  await cdp.send('Network.clearBrowserCache')
  const cold = await measure('/ui/explore')
  figure('R22 explorer index, cold', cold.bytes, 60_000, { unit: 'bytes' })
  figure('R22 explorer index, cold, until its scripts run', cold.ms, 300, { slack: 100 })
  // What operations share, the editor of bodies, has a goal of its own.
  await measure('/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/pods', '.cm-content')
  const gv = (path) => `/ui/explore/op?gv=${path.split('/').slice(1, path.startsWith('/apis') ? 4 : 3).join('/')}`
  const worst = { bytes: 0, ms: 0 }
  for (const [method, path] of [['GET', '/api/v1/pods'], ['POST', '/api/v1/namespaces/{namespace}/pods'], ['PATCH', '/apis/apps/v1/namespaces/{namespace}/deployments/{name}'], ['DELETE', '/api/v1/namespaces/{namespace}/pods'], ['PUT', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}/status']]) {
    const one = await measure(`${gv(path)}&method=${method}&path=${path}`)
    for (const k of ['bytes', 'ms']) worst[k] = Math.max(worst[k], one[k])
  }
  figure('R22 largest of five operations', worst.bytes, 30_000, { unit: 'bytes' })
  figure('R22 slowest of five operations', worst.ms, 200, { slack: 100 })
  await done(c)
})

test('R22: a custom resource is in the explorer at once, and what is deprecated says so', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore')
  await live(page)
  const d = crd('widgets', 'Widget')
  const old = structuredClone(d.spec.versions[0])
  d.spec.versions.push(Object.assign(old, { name: 'v1beta1', storage: false, deprecated: true, deprecationWarning: 'example.com/v1beta1 Widget is old' }))
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', d)
  const made = Date.now()
  await page.waitForSelector('.api:has-text("example.com/v1beta1") >> a >> text=widgets', { state: 'attached' }) // nobody has loaded the page again
  figure('R22 a custom resource appears', Date.now() - made, 2000, { slack: 30 })
  await page.goto(server.url + '/ui/explore?group=example.com')
  assert.match(await page.textContent('#main'), /example.com\/v1\s*stable\s*preferred.*example.com\/v1beta1\s*beta.*deprecated/s)
  await page.click('.api:has-text("v1beta1") >> a >> text=widgets')
  await page.waitForSelector('.problem >> text=example.com/v1beta1 Widget is old')
  assert.match(await page.textContent('.promise'), /beta well tested/)
  // A request of the old version is answered with a warning, which is shown.
  await page.goto(server.url + '/ui/explore/op?gv=apis/example.com/v1beta1&method=GET&path=/apis/example.com/v1beta1/namespaces/{namespace}/widgets')
  await page.click('[data-testid=try] button.primary')
  await page.waitForSelector('[data-testid=result] .problem >> text=example.com/v1beta1 Widget is old')
  await server.api('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com')
  await page.goto(server.url + '/ui/explore')
  await live(page)
  await page.waitForSelector('.api:has-text("example.com/v1beta1")', { state: 'detached' })
  await done(c)
})

test('R22: a schema that holds itself opens level by level', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore/kind?gv=apis/apiextensions.k8s.io/v1&kind=CustomResourceDefinition&field=spec.versions.schema.openAPIV3Schema')
  for (let i = 0; i < 4; i++) {
    await page.click('.fields >> text="not"')
    await page.waitForURL((u) => u.searchParams.get('field').endsWith('.not'.repeat(i + 1)))
  }
  await done(c)
})

test('R22: a search finds paths, kinds, fields and descriptions', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore?q=terminationGracePeriodSeconds')
  assert.match(await page.textContent('[data-testid=hits]'), /PodSpec.terminationGracePeriodSeconds/)
  await page.fill('#filter', 'back-off')
  await page.press('#filter', 'Enter')
  await page.waitForURL(/back-off/)
  await page.fill('#filter', 'podspec')
  await page.press('#filter', 'Enter')
  await page.waitForURL(/podspec/)
  await page.click('[data-testid=hits] >> text=PodSpec >> nth=0')
  assert.match(await page.textContent('.fields'), /containers/)
  await done(c)
})

test('R23: an operation is tried without effect, then for real', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps')
  // The body is written in the editor, which knows its fields.
  await page.click('.cm-content')
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText('apiVersion: v1\nkind: ConfigMap\nimm')
  await page.keyboard.press('Control+Space')
  await page.waitForSelector('.cm-tooltip-autocomplete >> text=immutable')
  await page.click('.cm-content')
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tried}\ndata: {a: b}\n')
  await page.click('button[value=dry]')
  await page.waitForSelector('[data-testid=result]')
  assert.match(await page.textContent('[data-testid=result]'), /201 Created/)
  assert.match(await page.textContent('[data-testid=result]'), /dryRun=All/)
  assert.match(await page.textContent('[data-testid=result]'), /curl -H/)
  await assert.rejects(server.api('GET', '/api/v1/namespaces/default/configmaps/tried'))
  await page.click('button[value=send]')
  await until(async () => !/dryRun/.test(await page.textContent('[data-testid=result]')))
  assert.equal((await server.api('GET', '/api/v1/namespaces/default/configmaps/tried')).data.a, 'b')
  // What changes something is a dry run by default: the button that Enter presses.
  for (const method of ['DELETE', 'PATCH', 'PUT', 'GET']) {
    await page.goto(server.url + `/ui/explore/op?gv=api/v1&method=${method}&path=/api/v1/namespaces/{namespace}/configmaps/{name}`)
    assert.equal(await page.$eval('[data-testid=try] [name="p.name"]', (i) => i.form.querySelector('button:not([type=button])').value), method === 'GET' ? 'send' : 'dry')
  }
  // Names are those of the namespace.
  await page.waitForSelector('datalist option[value=tried]', { state: 'attached' })
  await page.fill('[name="p.namespace"]', 'kube-public')
  await page.focus('[name="p.name"]')
  await page.waitForSelector('datalist option[value=tried]', { state: 'detached' })
  await page.waitForSelector('datalist option[value="kube-root-ca.crt"]', { state: 'attached' })
  await page.fill('[name="p.name"]', 'nothing')
  await page.click('button[value=send]')
  await page.waitForSelector('[data-testid=result]')
  const said = await page.innerText('[data-testid=result]')
  assert.match(said, /404 Not Found\s+[\d.]+(ms|µs|s)\s/)
  assert.match(said, /Request\s+GET \/api\/v1\/namespaces\/kube-public\/configmaps\/nothing\s+As\s+admin\s+curl\s+curl -H "Authorization: Bearer \$TOKEN" http:\S+\/configmaps\/nothing\s+kubectl\s+kubectl get --raw \/api/)
  assert.match(said, /Audit id\s+[0-9a-f-]{36}\s+Content-Type\s+application\/json/)
  await page.click('[data-testid=result] a >> text=/^[0-9a-f-]{36}$/')
  await page.waitForURL(/\/ui\/requests\//)
  await done(c)
})

test('R23: a watch shows each event and what it changed', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/configmaps?view=watch&q=-l+feed')
  await live(page)
  const path = '/api/v1/namespaces/shop/configmaps'
  await server.create(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'fed', labels: { feed: 'yes' } }, data: { a: 'one' } })
  await page.waitForSelector('[data-type=ADDED] >> text=shop/fed')
  await server.api('PATCH', path + '/fed', { data: { a: 'two' } }, 'application/merge-patch+json')
  await page.waitForSelector('[data-type=MODIFIED]')
  assert.match(await page.textContent('[data-type=MODIFIED]'), /data\.a: one → two/)
  // While it is paused nothing is shown; then it goes on where it stopped, and
  // knows what the object was there.
  await page.click('[data-feed-pause]')
  await page.waitForSelector('[data-feed-at]:text-matches("paused at version [0-9]+")')
  await server.api('PATCH', path + '/fed', { data: { a: 'three' } }, 'application/merge-patch+json')
  await page.click('[data-feed-pause]')
  await page.waitForSelector('[data-type=MODIFIED] >> text=two → three')
  await server.api('DELETE', path + '/fed')
  await page.waitForSelector('[data-type=DELETED]')
  await page.waitForFunction(() => /1 ADDED\s*2 MODIFIED\s*1 DELETED/.test(document.querySelector('[data-testid=counts]').textContent))
  assert.equal(await page.locator('[data-events] tr:not([data-type=BOOKMARK])').count(), 4)
  assert.doesNotMatch(await page.textContent('[data-events]'), /kind: /)
  await page.click('[data-feed-type=MODIFIED]')
  await page.fill('[data-feed-find]', 'fed')
  assert.equal(await page.locator('[data-events] tr:visible').count(), 2)
  assert.match(await page.textContent('.same'), /kubectl get configmaps -n shop -l feed --watch --output-watch-events.*curl -N .*labelSelector=feed&watch=true/s)
  await done(c)
})

test('R23: a watch goes on after a version, and tells when that is too long ago', async () => {
  const c = await context()
  const path = '/api/v1/namespaces/shop/configmaps'
  const first = await server.create(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'again' }, data: { a: 'one' } })
  await server.api('PATCH', path + '/again', { data: { a: 'two' } }, 'application/merge-patch+json')
  const page = await login(server, c, 'token-admin', '/ui' + path + '/again?tab=watch&from=' + first.metadata.resourceVersion)
  await page.waitForSelector('[data-type=MODIFIED] >> text=data.a: one → two')
  assert.equal(await page.locator('[data-type=ADDED]').count(), 0)
  await page.fill('[name=from]', '1')
  await page.click('.feedview form button')
  await page.waitForSelector('.feed .note >> text=/version 1 is not kept|begins anew/')
  await page.waitForSelector('[data-type=ADDED] >> text=shop/again')
  await page.fill('[name=from]', 'x')
  await page.goto(server.url + '/ui' + path + '/again?tab=watch&from=x')
  await page.waitForSelector('.feedview .problem >> text="x" is not a version')
  await done(c)
})

test('R14: the editor completes fields and values from the API', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/apply')
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  await page.keyboard.insertText('apiVersion: apps/v1\nkind: Deployment\nspec:\n  ')
  await page.keyboard.press('Control+Space')
  await page.waitForSelector('.cm-tooltip-autocomplete >> text=progressDeadlineSeconds')
  await page.keyboard.type('repl')
  await page.waitForSelector('.cm-tooltip-autocomplete:not(.cm-tooltip-autocomplete-disabled) [aria-selected=true] >> text=replicas')
  await quiet(page) // the editor takes no answer to what has only just been asked
  await page.keyboard.press('Enter')
  await until(async () => /\n {2}replicas: $/.test(await page.inputValue('textarea')))
  await done(c)
})

test('R22: the index is filtered by group, version, verb, scope and subresource', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore?group=apps&verb=put')
  const rows = () => page.$$eval('.api tbody tr', (l) => l.map((tr) => [...tr.cells].map((td) => td.innerText.trim().replace(/\s+/g, ' '))))
  assert.ok((await rows()).every((r) => r[3] === 'put'))
  assert.deepEqual((await rows()).map((r) => r[0]).filter((r) => r.startsWith('deployments')), ['deployments', 'deployments/scale', 'deployments/status'])
  await page.selectOption('[name=shape]', 'subresources only')
  await page.click('.filter button')
  await page.waitForURL(/shape=/)
  assert.ok((await rows()).length > 5 && (await rows()).every((r) => r[0].includes('/')))
  await page.goto(server.url + '/ui/explore?version=v2')
  assert.deepEqual(await page.$$eval('.api h2 > span:first-child', (l) => l.map((s) => s.textContent)), ['autoscaling/v2'])
  await page.goto(server.url + '/ui/explore?scope=cluster&group=core&shape=resources+only')
  const cluster = (await rows()).filter((r) => r[1])
  assert.ok(cluster.some((r) => r[0] === 'nodes') && cluster.every((r) => r[2] === 'cluster'))
  // The same for what is found.
  await page.goto(server.url + '/ui/explore?q=deployments&verb=list&version=v1')
  const found = (await page.$$eval('[data-testid=hits] li', (l) => l.map((li) => li.innerText))).filter((t) => /^(GET|POST|PUT|PATCH|DELETE)/.test(t))
  assert.ok(found.length && found.every((t) => /^GET \/apis\/apps\/v1\/(namespaces\/{namespace}\/)?deployments/.test(t)), found.join('\n'))
  await done(c)
})

test('R22: a kind has its objects, an example and its operations, and each field an address', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore/kind?gv=apis/apps/v1&kind=Deployment')
  const n = (await server.api('GET', '/apis/apps/v1/deployments')).items.length
  assert.equal(await page.textContent(`a.button[href="/ui/apis/apps/v1/deployments"]`), `Objects: ${n}`)
  assert.match(await page.textContent('#main'), /kind: Deployment/)
  assert.deepEqual(await page.$$eval('#main p.ops a', (l) => l.map((a) => a.textContent)), ['list (all)', 'list', 'get', 'post', 'put', 'patch', 'delete', 'deletecollection'])
  assert.equal(await page.getAttribute('a.button >> text="Watch"', 'href'), '/ui/apis/apps/v1/deployments?view=watch')
  await page.goto(server.url + '/ui/explore/kind?gv=apis/apps/v1&kind=Deployment&field=spec.replicas')
  assert.match(await page.innerText('#main'), /Deployment\s*\.\s*spec\s*\.\s*replicas\s+integer.*Number of desired pods.*kubectl explain deployments\.spec\.replicas/s)
  await done(c)
})

test('R22: pages of the explorer come at once', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore')
  const times = await page.evaluate(async () => {
    const times = {}
    for (const [what, path] of [['search', '/ui/explore?q='], ['operation', '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/pods&n=']]) {
      times[what] = []
      for (const q of ['terminationGrace', 'pods', 'back-off', 'liveness', 'the number of', 'secret', 'podspec', 'deployments', 'namespace', 'zzz']) {
        const began = performance.now()
        await (await fetch(path + encodeURIComponent(q), { headers: { 'X-Pilothouse': 'page' } })).text()
        times[what].push(performance.now() - began)
      }
      times[what].sort((a, b) => a - b)
    }
    return times
  })
  figure('R22 search of paths, kinds, fields and descriptions, p95', times.search[9], 100, { slack: 100 })
  figure('R22 an operation, p95', times.operation[9], 200, { slack: 100 })
  const answer = await page.goto(server.url + '/ui/explore/op?gv=api/v1&method=PATCH&path=/api/v1/namespaces/{namespace}/pods/{name}')
  figure('R22 an operation, its document', (await answer.request().sizes()).responseBodySize, 15_000, { unit: 'bytes' })
  await done(c)
})

test('R23: watch=1 of an operation streams into the page', async () => {
  const c = await context()
  const path = '/api/v1/namespaces/shop/configmaps'
  const page = await login(server, c, 'token-admin', '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/configmaps&p.namespace=shop')
  await page.fill('[name="p.labelSelector"]', 'tried=watch')
  await page.fill('[name="p.watch"]', '1')
  await page.click('[data-testid=try] button.primary')
  await page.waitForSelector('[data-testid=watched] [data-type=BOOKMARK]')
  await server.create(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'streamed', labels: { tried: 'watch' } }, data: { a: 'one' } })
  await server.create(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'not-streamed' } })
  await page.waitForSelector('[data-testid=watched] [data-type=ADDED] >> text=shop/streamed')
  await server.api('PATCH', path + '/streamed', { data: { a: 'two' } }, 'application/merge-patch+json')
  await page.waitForSelector('[data-testid=watched] [data-type=MODIFIED] >> text=one → two')
  assert.match(await page.textContent('[data-testid=counts]'), /1 ADDED\s*1 MODIFIED\s*0 DELETED/)
  assert.match(await page.textContent('[data-testid=watched] .same'), /kubectl get configmaps -n shop -l tried=watch --watch --output-watch-events.*curl -N .*configmaps\?allowWatchBookmarks=true&labelSelector=tried%3Dwatch&watch=true/s)
  assert.equal(await page.inputValue('[name="p.labelSelector"]'), 'tried=watch') // what was typed stays
  // One object, after a version.
  const { metadata } = await server.api('GET', path + '/streamed')
  await page.goto(server.url + '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/configmaps/{name}&p.namespace=shop&p.name=streamed')
  await page.click('button[value=watch]')
  await page.waitForSelector('[data-testid=watched] [data-type=ADDED] >> text=shop/streamed')
  assert.equal(await page.locator('[data-testid=watched] [data-type=ADDED]').count(), 1)
  await page.goto(server.url + `/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/configmaps&p.namespace=shop&p.watch=true&p.resourceVersion=${metadata.resourceVersion}`)
  await page.click('[data-testid=try] button.primary')
  await server.api('DELETE', path + '/streamed')
  await page.waitForSelector('[data-testid=watched] [data-type=DELETED] >> text=shop/streamed')
  assert.equal(await page.locator('[data-testid=watched] [data-type=ADDED]').count(), 0)
  await done(c)
})

test('R23: an answer of 5 MB is shown whole and holds nothing up', async () => {
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'large' } })
  const data = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`orders.archive.partition-${String(i).padStart(4, '0')}`, `s3://archive/orders/2026/${i}.parquet?rows=${i * 7919}&checksum=${'0123456789abcdef'.repeat(2)}`]))
  await server.many(40, (i) => server.create('/api/v1/namespaces/large/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `archive-${i}`, namespace: 'large' }, data }))
  await server.create('/api/v1/namespaces/large/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'long', namespace: 'large' }, data: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`long-${i}`, 'a'.repeat(1965 + i) + 'in-the-gap'])) })
  const c = await context({ acceptDownloads: true })
  const page = await login(server, c, 'token-admin', '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/configmaps&p.namespace=large')
  await quiet(page)
  await page.evaluate(() => {
    window.long = []
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.long.push(e.duration) }).observe({ type: 'longtask' })
  })
  const work = await tasks(c, page, async () => {
    await page.click('[data-testid=try] button.primary')
    await page.waitForFunction(() => /^[\d,]+ lines$/.test(document.querySelector('[data-answer-cut]')?.textContent), null, { timeout: 60_000 })
    await page.$eval('pre.answer', (e) => { e.scrollTop = e.scrollHeight })
    await page.waitForFunction(() => document.querySelector('pre.answer .ln:last-child')?.textContent === '}\n', null, { timeout: 60_000 })
  })
  const lines = Number((await page.textContent('[data-answer-cut]')).replace(/\D/g, ''))
  assert.equal(await page.getAttribute('pre.answer .ln:last-child', 'data-n'), String(lines))
  assert.ok(lines > 40_000, `${lines} lines`)
  assert.ok(await page.$$eval('pre.answer .ln', (l) => l.length) < 200)
  // What is looked for is found in all of it, also over the end of a piece of a
  // long line; the key of the browser's own find, which sees a window only, does it.
  await page.focus('pre.answer')
  const finding = await tasks(c, page, async () => {
    await page.keyboard.press('Control+f')
    await page.keyboard.type('/s3:.+/876\\.parquet/')
    await page.waitForFunction(() => document.querySelector('.answerfind [role=status]').textContent === '1 of 40 lines', null, { timeout: 60_000 })
  })
  await until(async () => /^s3:.*876\.parquet$/.test(await page.textContent('.ln.here mark')))
  for (const key of ['Enter', 'Enter', 'Shift+Enter']) await page.keyboard.press(key)
  await page.waitForFunction(() => document.querySelector('.answerfind [role=status]').textContent === '2 of 40 lines')
  await page.waitForFunction(() => { const [e, box] = ['.ln.here', 'pre.answer'].map((s) => document.querySelector(s)?.getBoundingClientRect()); return e && e.top >= box.top && e.bottom <= box.bottom })
  await page.keyboard.press('Escape')
  await page.keyboard.type('in-the-gap')
  await page.waitForFunction(() => document.querySelector('.answerfind [role=status]').textContent === '1 of 20 lines', null, { timeout: 60_000 })
  figure('R23 longest task of finding in an answer of 5 MB, its own work', finding.longest, 100, { slack: 8 })
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('[data-testid=result] a[download]')])
  const text = Buffer.concat(await (await file.createReadStream()).toArray()).toString()
  assert.ok(text.length > 5_000_000, `${text.length} bytes`)
  assert.equal(JSON.parse(text).items.filter((o) => o.metadata.name.startsWith('archive-')).length, 40)
  // What is too large to be kept is asked for again.
  const again = await page.request.get(server.url + '/ui/answers/again?path=/api/v1/namespaces/large/configmaps&query=limit%3D30&accept=application/json')
  assert.match(again.headers()['content-disposition'], /attachment; filename="answer.json"/)
  assert.equal((await again.json()).items.length, 30)
  assert.equal((await page.request.get(server.url + '/ui/answers/again?path=/api/v1/configmaps&query=watch%3D1')).status(), 400)
  figure('R23 longest task of an answer of 5 MB', Math.max(0, ...await page.evaluate(() => window.long)), 100, { slack: 60 })
  figure('R23 longest task of an answer of 5 MB, its own work', work.longest, 100, { slack: 8 })
  await done(c)
})
