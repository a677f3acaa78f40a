// R10: one field that finds objects, pages, commands, and what can be done.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { base, config, type } from '../configmaps.js'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 20)
  await kinds(server)
  const rbac = '/apis/rbac.authorization.k8s.io/v1/clusterrole'
  const meta = { name: 'looks' }
  await server.create(rbac + 's', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: meta, rules: [{ apiGroups: ['apps', ''], resources: ['deployments', 'configmaps', 'namespaces'], verbs: ['get', 'list', 'watch'] }] })
  await server.create(rbac + 'bindings', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: meta, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'looks' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'dev' }] })
})
after(async () => {
  await quit()
  await server.stop()
})

const deployments = '/ui/apis/apps/v1/namespaces/shop/deployments'

// options are what is offered, each in a line.
const options = (page) => page.$$eval('#palette [role=option]', (l) => l.map((a) => a.innerText.replace(/\s+/g, ' ').trim()))

// ask types into the palette, and gives what the server has found for it.
async function ask(page, q) {
  if (!(await page.isVisible('#palette'))) await page.keyboard.press('Control+k')
  await page.fill('#palette input', '') // what was found before goes
  await page.fill('#palette input', q)
  await page.waitForSelector('#palette [data-rank], #palette .note')
  return options(page)
}

test('R10: what can be done with the object that one looks at is found, and done', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', deployments + '/api-gateway')
  assert.equal((await ask(page, 'restart'))[0], 'action Restart Deployment api-gateway shop')
  assert.equal((await ask(page, 'scale'))[0], 'action Scale Deployment api-gateway shop')
  assert.equal((await ask(page, 'delete'))[0], 'action Delete Deployment api-gateway shop')
  assert.equal((await ask(page, 'pau'))[0], 'action Pause Deployment api-gateway shop')
  assert.ok(!(await ask(page, 'resume')).some((o) => /^action Resume/.test(o)), 'what is not paused is not resumed')
  assert.ok((await ask(page, 'logs')).includes('action Logs of Deployment api-gateway shop'))
  assert.ok((await ask(page, 'watch')).includes('action Watch Deployments shop'))
  await ask(page, 'scale')
  await page.keyboard.press('Enter')
  await page.waitForURL((u) => u.pathname === deployments + '/api-gateway' && u.searchParams.get('act') === 'scale')
  // In a list it is the row, and in the panel the object that is shown.
  await page.goto(server.url + deployments)
  await live(page)
  await page.press('body', 'j')
  const row = await page.$eval(':focus', (a) => a.textContent.trim())
  assert.equal((await ask(page, 'restart'))[0], `action Restart Deployment ${row} shop`)
  await page.keyboard.press('Escape')
  await page.click(`[data-body] a >> text="api-gateway"`)
  await page.waitForSelector('#panel [data-object]')
  assert.equal((await ask(page, 'yaml'))[0], 'action YAML of Deployment api-gateway shop')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#panel [data-testid=yaml]') // as its tab does it
  await done(c)
})

test('R10: what one may not do says why, and does nothing', async () => {
  const c = await context()
  const page = await login(server, c, 'token-dev', deployments + '/api-gateway')
  const found = await ask(page, 'delete')
  assert.match(found[0], /^action ⊘ Delete Deployment api-gateway dev may not delete deployments in namespace shop kubectl create role -n shop NAME --verb=delete --resource=deployments\.apps/)
  assert.equal(await page.getAttribute('#palette [role=option] >> nth=0', 'aria-disabled'), 'true')
  const before = page.url()
  await page.keyboard.press('Enter')
  assert.ok(await page.isVisible('#palette'))
  await page.click('#palette [aria-disabled=true]', { force: true })
  assert.ok(await page.isVisible('#palette'))
  assert.equal(page.url(), before)
  assert.equal((await ask(page, 'edit'))[0], 'action Edit Deployment api-gateway shop') // the role deployer lets them
  await done(c)
})

test('R10: objects of every kind are found, exact names before beginnings before letters', async () => {
  for (const name of ['tariff', 'tariff-north', 'old-tariff', 'the-amber-river-flows-free']) await server.create('/api/v1/namespaces/shop/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })
  const c = await context()
  const page = await login(server, c)
  const asked = []
  page.on('request', (r) => { if (r.url().includes('/ui/search')) asked.push(r.url()) })
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette input')
  assert.deepEqual(asked, [], 'nothing is loaded before something is typed')
  assert.deepEqual((await ask(page, 'tariff')).slice(0, 4), ['ConfigMap tariff shop', 'ConfigMap tariff-north shop', 'ConfigMap old-tariff shop', 'ConfigMap the-amber-river-flows-free shop'])
  for (const [q, expected] of [
    ['orders', 'Database orders shop'], ['databases.example', 'CustomResourceDefinition databases.example.com'], ['gateway-token', 'Secret gateway-token shop'], ['deployers', 'RoleBinding deployers shop'],
    ['pv-gateway', 'PersistentVolume pv-gateway'], ['node-03', 'Node node-03'], ['node-07.2', 'Event node-07.2 default'], ['system:kube-scheduler', 'ClusterRole system:kube-scheduler'], ['explorer', 'page API explorer'],
  ]) assert.ok((await ask(page, q)).includes(expected), q)
  await done(c)
})

test('R10: commands as those of k9s and kubectl lead to what they say', async () => {
  const c = await context()
  const page = await login(server, c)
  for (const [command, path, q, more = {}] of [
    [':pod -n shop app=cart', '/ui/api/v1/namespaces/shop/pods', '-l app=cart'], ['po shop', '/ui/api/v1/namespaces/shop/pods', null], ['deploy /gate', '/ui/apis/apps/v1/deployments', 'gate'],
    ['databases -A -l a=b', '/ui/apis/example.com/v1/databases', '-l a=b'], ['get nodes -l kubernetes.io/os=linux', '/ui/api/v1/nodes', '-l kubernetes.io/os=linux'],
    ['watch cm -n shop', '/ui/api/v1/namespaces/shop/configmaps', null, { view: 'watch' }], ['explain deploy.spec.strategy', '/ui/explore/kind', null, { field: 'spec.strategy', kind: 'Deployment' }],
  ]) {
    // A colon opens the palette, as it does in k9s.
    if (command.startsWith(':')) await page.keyboard.press(':')
    const first = (await ask(page, command))[0]
    assert.match(first, /^go to /, command)
    await page.keyboard.press('Enter')
    await page.waitForURL((u) => u.pathname === path && u.searchParams.get('q') === q && Object.entries(more).every(([k, v]) => u.searchParams.get(k) === v))
  }
  await done(c)
})

test('R10: the palette begins with what was seen lately, and puts it first', async () => {
  for (const name of ['lately-a', 'lately-b', 'lately-c']) await server.create(base, config({ a: 'b' }, name))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/lately-c`)
  await page.click('.nav >> text=Services')
  await page.waitForURL(/services/)
  await live(page)
  await page.click('[data-act=palette]')
  assert.match(page.url(), /services/) // the page below stays
  assert.deepEqual(await options(page), ['ConfigMap lately-c shop'])
  await page.keyboard.insertText('lately')
  await until(async () => (await options(page)).length === 3)
  assert.deepEqual(await options(page), ['ConfigMap lately-c shop', 'ConfigMap lately-a shop', 'ConfigMap lately-b shop'])
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText('lately-b')
  await page.keyboard.press('Enter') // what is chosen is of what was typed
  await page.waitForURL(/lately-b$/)
  await page.goto(server.url + `/ui${base}/lately-a?edit=1`)
  await type(page, 'a: b', 'a: c')
  await until(() => page.evaluate(() => Object.keys(localStorage).some((k) => k.startsWith('draft '))))
  page.on('dialog', (d) => d.accept())
  await page.click('.nav >> text=Pods')
  await page.waitForURL(/pods$/)
  await page.keyboard.press('Control+k')
  assert.equal((await options(page))[0], 'draft lately-a shop')
  await page.keyboard.press('Enter')
  await page.waitForURL(/lately-a\?edit=1/)
  await page.waitForSelector('.banner >> text=This is the draft')
  await done(c)
})
