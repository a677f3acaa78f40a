// R13: what is deleted is asked about, held, and can be had again; so can what
// was changed.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { base, config, type } from '../configmaps.js'
import { cluster, crd } from '../fixture.js'
import { Server, context, done, live, login, quit, unhurried, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 60)
})
after(async () => {
  await quit()
  await server.stop()
})

const read = (name) => server.api('GET', `${base}/${name}`)

// deletes are the DELETE requests on an object that were no dry runs.
const deletes = async (name) => (await server.api('GET', `/debug/audit?verb=delete&name=${name}`)).events.filter((e) => !/dryRun/.test(e.requestURI))

test('R13: the dialog asks the server what goes along, and for the name where much does', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/team-red?delete=1')
  await page.fill('#typed', 'team-blue')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('.problem')
  assert.equal((await server.api('GET', '/api/v1/namespaces/team-red')).metadata.deletionTimestamp, undefined)
  const volume = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'typed' }, spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp/typed' } } }
  await server.create('/api/v1/persistentvolumes', volume)
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('typeds', 'Typed'))
  for (const path of ['/api/v1/persistentvolumes/typed', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/typeds.example.com']) {
    await page.goto(server.url + '/ui' + path + '?delete=1')
    assert.equal(await page.getAttribute('#typed', 'required'), '', path)
  }
  const dialog = async () => (await page.innerText('dl.facts')).replace(/\s+/g, ' ')
  const { uid } = (await server.create(base, config({ a: 'b' }, 'parent'))).metadata
  await server.create(base, { ...config({ a: 'b' }, 'child'), metadata: { name: 'child', namespace: 'shop', ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'parent', uid }] } })
  await page.goto(server.url + `/ui${base}/parent?delete=1`)
  assert.match(await dialog(), /Belongs to it ConfigMap child/)
  assert.match(await dialog(), /without a choice the server takes Background/)
  await server.create(base, { ...config({ a: 'b' }, 'held-back'), metadata: { name: 'held-back', namespace: 'shop', finalizers: ['example.com/wait'] } })
  await page.goto(server.url + `/ui${base}/held-back?delete=1`)
  assert.match(await dialog(), /Finalizers example.com\/wait/)
  // Nothing of this was more than a question.
  assert.deepEqual([...await deletes('team-red'), ...await deletes('parent'), ...await deletes('held-back')], [])
  // Without a wait, with the propagation that was chosen; it says what it waits for.
  await page.selectOption('#propagation', 'Foreground')
  await page.click('[data-testid=now]')
  await page.waitForSelector('[data-work=done] >> text=/ConfigMap held-back is being deleted; it waits for its finalizers: .*foregroundDeletion/')
  assert.ok((await read('held-back')).metadata.finalizers.includes('example.com/wait'))
  await server.api('PATCH', `${base}/held-back`, { metadata: { finalizers: null } }, 'application/merge-patch+json')
  await done(c)
})

test('R13: the dialog of many asks about all of them, and stops when it is left', async () => {
  const labels = { bulk: 'all' }
  const { uid } = (await server.create(base, { ...config({}, 'all-owner'), metadata: { name: 'all-owner', namespace: 'shop', labels } })).metadata
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'all-owner', uid }]
  await server.many(400, (i) => server.create(base, { metadata: { name: `all-${i}`, namespace: 'shop', labels, ...(i % 100 === 99 && { finalizers: ['example.com/wait'] }), ...(i < 7 && { ownerReferences }) } }))
  await server.many(3, (i) => server.create(base, { metadata: { name: `all-child-${i}`, namespace: 'shop', ownerReferences } }))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}?q=-l+bulk%3Dall`)
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  // Slow answers, so that it can be seen how the dialog is used meanwhile.
  let slow = true
  await page.route('**/ui/bulk', async (route) => {
    if (slow && /ask=1/.test(route.request().postData() ?? '')) await until(() => !slow)
    await route.continue().catch(() => {})
  })
  await page.click('[data-bulk] button[value=delete]')
  const asked = async () => (await page.innerText('[data-testid=asked]')).replace(/\s+/g, ' ')
  await page.waitForSelector('[data-testid=asked]')
  assert.match(await asked(), /asked about 50 of 401/)
  await page.fill('[name=typed]', '401')
  await page.selectOption('#propagation', 'Orphan')
  slow = false
  await page.waitForSelector('[data-testid=asked] >> text="401 of 401"')
  assert.match(await asked(), /It refuses 0 Wait for finalizers 4 example.com\/wait 4 Belongs to them 3 other objects Without a choice Background 401/)
  assert.ok((await page.innerText('[data-testid=deletes]')).match(/example.com\/wait/g).length === 4, 'those that wait are shown, wherever they are')
  assert.deepEqual([await page.inputValue('[name=typed]'), await page.inputValue('#propagation')], ['401', 'Orphan'], 'what one did meanwhile stays')
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  await live(page)
  await page.press('body', 'u')
  await page.waitForSelector('[data-testid=progress] >> text=/undone/')
  await page.unroute('**/ui/bulk')
  // Left while it asks, nothing is asked any more.
  await page.goBack()
  await page.waitForSelector('#main [data-list]')
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  const cut = page.waitForEvent('requestfailed', (r) => r.url().endsWith('/ui/bulk'))
  await page.route('**/ui/bulk', (route) => (/ask=1/.test(route.request().postData() ?? '') ? undefined : route.continue()))
  await page.click('[data-bulk] button[value=delete]')
  await page.waitForSelector('[data-testid=asked]')
  await page.click('#main >> text="Cancel"')
  await cut
  await done(c)
  for (const i of [99, 199, 299, 399]) await server.api('PATCH', `${base}/all-${i}`, { metadata: { finalizers: null } }, 'application/merge-patch+json')
  await server.api('DELETE', base + '?labelSelector=bulk%3Dall')
  await server.many(3, (i) => server.api('DELETE', `${base}/all-child-${i}`).catch(() => {})) // or they went with their owner
})

test('R13: undone before its time is over it is the same object, and nothing was sent', async () => {
  await server.create(base, config({ a: 'b' }, 'kept'))
  const kept = await read('kept')
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/kept?delete=1`)
  const other = await c.newPage() // another tab of the user
  await other.goto(server.url + `/ui${base}`)
  await live(other)
  const row = (p, name) => p.locator('[data-body] tr', { has: p.locator(`a >> text="${name}"`) })
  const held = (p, name) => row(p, name).locator('[data-held] >> text=to be deleted')
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/configmaps$/)
  await page.waitForSelector('[data-work=held] >> text=/ConfigMap kept will be deleted in 1\\d\\d s/')
  assert.ok(await held(page, 'kept').locator('i').innerText(), 'a sign, too')
  await held(other, 'kept').waitFor()
  await other.waitForSelector('[data-work=held] >> text=ConfigMap kept')
  await page.reload()
  await held(page, 'kept').waitFor()
  await page.goto(server.url + `/ui${base}/kept`)
  await page.waitForSelector('[data-testid=held] >> text=to be deleted')
  await live(page)
  await page.press('body', 'u')
  await page.waitForSelector('[data-work=kept] >> text=Nothing was deleted: ConfigMap kept')
  await page.waitForSelector('[data-testid=held]', { state: 'detached' })
  await held(other, 'kept').waitFor({ state: 'detached' })
  const { metadata } = await read('kept')
  assert.deepEqual([metadata.uid, metadata.resourceVersion], [kept.metadata.uid, kept.metadata.resourceVersion])
  assert.deepEqual(await deletes('kept'), [])
  await done(c)
})

test('R13: after 10 s it is deleted, unless it is another object by then', async (t) => {
  const server = await Server.start('--dashboard-deletion-wait', '10s')
  t.after(() => server.stop())
  await server.create('/api/v1/namespaces', { metadata: { name: 'shop' } })
  for (const name of ['gone', 'stale']) await server.create(base, config({ a: 'b' }, name))
  const read = (name) => server.api('GET', `${base}/${name}`)
  const c = await context()
  const page = await login(server, c)
  for (const name of ['gone', 'stale']) {
    await page.goto(server.url + `/ui${base}/${name}?delete=1`)
    await page.click('[data-testid=confirm]')
    await page.waitForURL(/configmaps$/)
    await page.waitForSelector(`[data-work=held] >> text=ConfigMap ${name}`)
  }
  // The one is left alone, the other changes hands meanwhile.
  assert.ok(await read('gone'))
  await server.api('DELETE', `${base}/stale`)
  await server.create(base, config({ a: 'c' }, 'stale'))
  await page.waitForSelector('[data-work=failed] >> text=/ConfigMap stale was not deleted: .*UID/')
  await page.waitForSelector('[data-work=done] >> text=ConfigMap gone was deleted.')
  await assert.rejects(read('gone'))
  assert.equal((await read('stale')).data.a, 'c')
  await page.click('[data-work=failed] a')
  await page.waitForURL(/jobs/)
  assert.match((await page.innerText('[data-testid=items] tbody')).replace(/\s+/g, ' '), /shop\/stale ✖ ?failed .*UID/)
  assert.equal((await server.api('GET', '/debug/audit?verb=delete&name=gone')).events.filter((e) => !/dryRun/.test(e.requestURI)).length, 1)
  // What is gone can be had again from its history, with the same spec.
  await page.goto(server.url + `/ui${base}/gone?tab=history`)
  await page.click('[data-testid=restore] >> nth=0')
  await until(async () => (await read('gone').catch(() => null))?.data.a === 'b')
  await done(c)
})

test('R13: what is to be deleted is marked among the related objects of others, too', async () => {
  const labels = { app: 'marked' }
  const container = { name: 'c', image: 'i' }
  const rs = await server.create('/apis/apps/v1/namespaces/shop/replicasets', { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'marked', namespace: 'shop' }, spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } } })
  await server.create('/api/v1/namespaces/shop/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'marked-1', namespace: 'shop', labels, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'marked', uid: rs.metadata.uid }] }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } })
  await server.create('/api/v1/namespaces/shop/services', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'marked', namespace: 'shop' }, spec: { selector: labels, ports: [{ port: 80 }] } })
  const c = await context()
  await unhurried(c)
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/pods/marked-1?delete=1')
  const others = await Promise.all(['apps/v1/namespaces/shop/replicasets/marked', 'apps/v1/namespaces/shop/replicasets/marked?tab=related', 'api/v1/namespaces/shop/services/marked?tab=related'].map(async (at) => {
    const other = await c.newPage()
    await other.goto(`${server.url}/ui/${at.startsWith('api/') ? at : 'apis/' + at}`)
    await live(other)
    return other
  }))
  const mark = (p) => p.locator('#object-body tr', { hasText: 'marked-1' }).locator('[data-held]')
  await page.click('[data-testid=confirm]')
  for (const p of others) await mark(p).first().waitFor()
  await page.press('body', 'u')
  for (const p of others) await mark(p).first().waitFor({ state: 'detached' })
  assert.ok(await server.api('GET', '/api/v1/namespaces/shop/pods/marked-1'))
  await done(c)
})

test('R13: without scripts a deletion is held, too', async () => {
  await server.create(base, config({ a: 'b' }, 'plain'))
  const c = await context({ javaScriptEnabled: false })
  const page = await login(server, c, 'token-admin', `/ui${base}/plain?delete=1`)
  const { uid } = (await read('plain')).metadata
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/configmaps$/)
  await page.click('[data-work=held] [data-undo]')
  await page.waitForURL(/configmaps$/)
  await page.waitForSelector('[data-work=kept]')
  assert.equal((await read('plain')).metadata.uid, uid)
  await page.goto(server.url + `/ui${base}/plain?delete=1`)
  await page.click('[data-testid=confirm]')
  await page.click('[data-work=held] >> text=Delete now')
  await page.waitForSelector('[data-work=done] >> text=ConfigMap plain was deleted.')
  await page.click('[data-work=done] >> text=Restore')
  await page.waitForURL(/tab=history/)
  await assert.rejects(read('plain'))
  await done(c)
})

test('R13: what was done a moment ago can be undone', async () => {
  await server.create(base, config({ a: 'one', b: 'two' }, 'undone'))
  const c = await context()
  await unhurried(c)
  const page = await login(server, c, 'token-admin', `/ui${base}/undone?edit=1`)
  const undo = async (text) => {
    await page.waitForSelector(`[data-toast] >> text=${text}`)
    await page.click('[data-undo]')
  }
  await type(page, 'a: one', 'a: three')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-toast] >> text=ConfigMap undone was saved.')
  await server.api('PATCH', `${base}/undone`, { data: { b: 'theirs' } }, 'application/merge-patch+json')
  await undo('ConfigMap undone was saved.')
  await page.waitForSelector('[data-toast] >> text=ConfigMap undone is as it was.')
  assert.deepEqual((await read('undone')).data, { a: 'one', b: 'theirs' }, 'what others changed meanwhile stays')
  await undo('ConfigMap undone is as it was.')
  await until(async () => (await read('undone')).data.a === 'three')

  await page.goto(server.url + '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway?act=scale')
  const replicas = async () => (await server.api('GET', '/apis/apps/v1/namespaces/shop/deployments/api-gateway')).spec.replicas
  const before = await replicas()
  await page.fill('input[name=change]', '7')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('[data-toast] >> text=was scaled')
  assert.equal(await replicas(), 7)
  await undo('Deployment api-gateway was scaled.')
  await until(async () => await replicas() === before)

  const all = (await server.api('GET', base)).items.length
  await page.goto(server.url + `/ui${base}`)
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=label]')
  await page.fill('input[name=change]', 'undone=no')
  if (all > 10) await page.fill('input[name=typed]', String(all))
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  await until(async () => /done/.test(await page.textContent('[data-testid=progress]')))
  const labelled = async () => (await server.api('GET', base + '?labelSelector=undone')).items.length
  assert.equal(await labelled(), all)
  const first = page.url()
  await page.click('[data-testid=undo-job]')
  await page.waitForURL((u) => /jobs/.test(u) && String(u) !== first)
  await until(async () => await labelled() === 0)
  await done(c)
})

test('R13: two hundred objects are marked in their list while they wait, and undone they are the same', async () => {
  await server.many(200, (i) => server.create(base, { metadata: { name: `waits-${i}`, namespace: 'shop', labels: { waits: 'yes' } } }))
  const state = async () => (await server.api('GET', base + '?labelSelector=waits%3Dyes')).items.map((o) => `${o.metadata.uid} ${o.metadata.resourceVersion}`).sort()
  const was = await state()
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}?q=-l+waits%3Dyes`)
  await live(page)
  const other = await c.newPage()
  await other.goto(server.url + `/ui${base}?q=-l+waits%3Dyes`)
  await live(other)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=delete]')
  await page.waitForSelector('[data-testid=asked] >> text="200 of 200"')
  await page.fill('[name=typed]', '200')
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  const marked = () => other.$$eval('[data-body] tr[data-uid], [data-body] tr[aria-rowindex]', (l) => l.length > 0 && l.every((tr) => tr.querySelector('[data-held]')))
  await until(marked)
  await other.press('body', 'End')
  await until(async () => await marked() && /200/.test(await other.textContent('[data-testid=count]')))
  await page.press('body', 'u')
  await page.waitForSelector('[data-testid=progress] >> text=/undone/')
  await until(async () => (await other.$$('[data-body] [data-held]')).length === 0)
  assert.deepEqual(await state(), was)
  await done(c)
})
