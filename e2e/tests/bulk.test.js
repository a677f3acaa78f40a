// R12: much at once, and what becomes of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { config } from '../configmaps.js'
import { cluster } from '../fixture.js'
import { Server, context, done, live, login, peer, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 60)
})
after(async () => {
  await quit()
  await server.stop()
})

test('R12: many objects are deleted with progress, those of the filter only', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/pods?q=-l+app%3Dcart')
  await live(page)
  const all = (await server.api('GET', '/api/v1/pods')).items.length
  const carts = Number(await page.textContent('[data-testid=count]'))
  assert.ok(carts > 2 && carts < 11)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=delete]')
  await page.waitForSelector(`h1 >> text="Delete ${carts} pods?"`)
  assert.match((await page.innerText('[data-testid=deletes] tbody tr')).replace(/\s+/g, ' '), /\/cart-\S+ nothing would delete it/)
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  const items = () => page.$$eval('[data-testid=items] tbody tr', (l) => l.map((tr) => tr.cells[1].innerText.trim()))
  await page.waitForSelector('[data-testid=progress] >> text=/begins in/')
  assert.deepEqual(await items(), Array(carts).fill('not begun'))
  await page.click('.nav >> text=Services') // the page goes on being of use, and the work can be found again
  await page.click(`[data-work=held] >> text="${carts} pods"`)
  await page.press('body', 'u')
  await page.waitForSelector('[data-testid=progress] >> text=/undone/')
  assert.equal((await server.api('GET', '/api/v1/pods')).items.length, all)
  await page.click('#main >> text=Back to the list')
  await page.waitForURL(/pods[?]q/)
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=delete]')
  await page.click('[data-testid=now]')
  await page.waitForURL(/\/ui\/jobs\//)
  await until(async () => /done/.test(await page.textContent('[data-testid=progress]')))
  assert.equal((await server.api('GET', '/api/v1/pods')).items.length, all - carts)
  await until(async () => (await items()).every((s) => /done/.test(s)))
  await done(c)
})

test('R12: select all that match acts on the filter and not on the window; what fails has a reason; it goes on without its page, can be cancelled, and is exported', async (t) => {
  const bulk = '/api/v1/namespaces/bulk/configmaps'
  const [matching, others] = [170, 30]
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bulk' } })
  await server.many(matching + others, (i) => server.create(bulk, { ...config({ a: 'b' }, `item-${i}`), metadata: { name: `item-${i}`, namespace: 'bulk', labels: { set: i < matching ? 'in' : 'out' } } }))
  // A webhook refuses changes of every tenth, and while the gate is closed it answers nothing.
  let gate = Promise.resolve()
  const hook = await peer(server, async (q, r) => {
    let body = ''
    for await (const b of q) body += b
    const { request } = JSON.parse(body)
    await gate
    const denied = request.name.endsWith('7') && { allowed: false, status: { message: 'sevens stay as they are' } }
    r.setHeader('Content-Type', 'application/json').end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, ...denied } }))
  })
  t.after(hook.stop)
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
  await server.create(hooks, { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', metadata: { name: 'sevens' }, webhooks: [{
    name: 'sevens.example.org', clientConfig: { url: `https://127.0.0.1:${hook.port}/`, caBundle: hook.ca }, sideEffects: 'None', admissionReviewVersions: ['v1'], timeoutSeconds: 30,
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['configmaps'] }], namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'bulk' } },
  }] })
  const refused = await until(() => server.api('PATCH', bulk + '/item-7?dryRun=All', { data: { a: 'c' } }, 'application/merge-patch+json').then(() => '', (e) => e.message))
  assert.match(refused, /sevens stay/)
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${bulk}`)
  const all = async () => {
    await page.goto(server.url + `/ui${bulk}?q=-l+set%3Din`)
    await live(page)
    await page.press('body', 'j')
    await page.press('body', 'x')
    await page.click(`[data-act=select-all] >> text="Select all ${matching} matching"`)
    assert.equal(await page.textContent('[data-selected]'), String(matching))
    assert.ok(await page.locator('[data-body] tr').count() < matching, 'the window has some of them')
  }
  const act = async (name, change) => {
    await all()
    await page.click(`[data-bulk] button[value=${name}]`)
    await page.fill('input[name=change]', change)
    await page.fill('input[name=typed]', String(matching))
    await page.click('[data-testid=confirm]')
    await page.waitForURL(/\/ui\/jobs\//)
  }
  const having = async (selector) => (await server.api('GET', bulk + '?labelSelector=' + selector)).items.length
  // Labels: the tenth part fails.
  await act('label', 'done=yes')
  await page.waitForSelector(`[data-testid=progress] >> text=/${matching} of ${matching}, 17 failed, done/`)
  assert.deepEqual([await having('done=yes'), await having('done=yes,set=out')], [matching - 17, 0])
  const rows = await page.$$eval('[data-testid=items] tbody tr', (l) => l.map((tr) => tr.innerText.replace(/\s+/g, ' ').trim()))
  assert.equal(rows.length, matching)
  for (const r of rows) assert.match(r, /^bulk\/item-\d*7 /.test(r) ? /failed .*sevens stay as they are/ : /done$/)
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('#main a[href*="export=1"]')])
  const lines = Buffer.concat(await (await file.createReadStream()).toArray()).toString().trim().split('\n')
  assert.equal(lines[0], 'object,result,reason')
  assert.equal(lines.length, matching + 1)
  assert.equal(lines.filter((l) => /^bulk\/item-\d*7,failed,.*sevens stay as they are/.test(l)).length, 17)
  assert.equal(lines.filter((l) => /^bulk\/item-\d+,done,$/.test(l)).length, matching - 17)
  // Annotations: it is left, found again, and cancelled; what has begun is ended.
  let open
  gate = new Promise((ok) => { open = ok })
  await act('annotate', 'note=yes')
  const job = page.url()
  await page.waitForSelector('[data-testid=items] >> text=in progress')
  await page.click('.nav >> text=Services') // the page goes on being of use
  await page.waitForURL(/services/)
  await live(page)
  await page.goto(job)
  await page.waitForSelector('[data-testid=items] >> text=in progress')
  await Promise.all([page.waitForResponse((r) => r.request().method() === 'POST'), page.click('#main button >> text=Cancel the rest')])
  open()
  await page.waitForSelector('[data-testid=progress] >> text=/cancelled/')
  const states = await page.$$eval('[data-testid=items] tbody tr', (l) => l.map((tr) => tr.cells[1].innerText.trim()))
  const annotated = (await server.api('GET', bulk)).items.filter((o) => o.metadata.annotations?.note).length
  assert.ok(annotated < 20 && states.filter((s) => /not begun/.test(s)).length > matching - 20, `${annotated} of ${states}`)
  assert.equal(states.filter((s) => /done/.test(s)).length, annotated)
  await server.api('DELETE', hooks + '/sevens')
  await done(c)
})
