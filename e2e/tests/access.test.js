// R24: who one is, who may do what, and why a button does nothing; the overview.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 40)
  await kinds(server)
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'viewers', namespace: 'shop' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'dev' }],
  })
})
after(async () => {
  await quit()
  await server.stop()
})

const pod = '/ui/api/v1/namespaces/shop/pods/api-gateway-6c9f-x2b7q'

test('R24: a button that one may not use says what is missing and what would grant it', async () => {
  const c = await context()
  const page = await login(server, c, 'token-dev', pod)
  await page.click('[data-denied=delete] summary')
  const why = await page.innerText('[data-denied=delete] .sheet')
  assert.match(why, /dev/)
  assert.match(why, /delete on pods in namespace shop/)
  assert.match(why, /kubectl create role -n shop NAME --verb=delete --resource=pods; kubectl create rolebinding -n shop NAME --role=NAME --user=dev/)
  assert.equal(await page.$('[data-act-name=delete]'), null)
  // The buttons are a courtesy: the request itself is refused as well.
  await page.goto(server.url + pod + '?delete=1')
  assert.match(await page.textContent('[data-testid=fault]'), /"dev" cannot delete/)
  const deployment = '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway'
  await page.goto(server.url + deployment)
  assert.ok(await page.$('[data-act-name=edit]'), 'dev may update deployments')
  await done(c)
})

test('R24: who may do what with an object, and by which binding', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pod + '?tab=access')
  const row = page.locator('[data-testid=access] tr', { hasText: /^dev/ })
  assert.match(await row.innerText(), /shop\/deployers/)
  assert.match(await row.innerText(), /shop\/viewers/)
  await row.locator('a').first().click()
  await page.waitForURL(/\/ui\/subject\?kind=User&name=dev/)
  const text = await page.innerText('#main')
  assert.match(text, /shop\/deployer in namespace shop by deployers/)
  assert.match(text, /view in namespace shop by viewers/)
  // A role's page lists who is bound, and leads to all that they may do.
  for (const [role, who] of [['/ui/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/deployer', /User\s+namespace shop\s+deployers/], ['/ui/apis/rbac.authorization.k8s.io/v1/clusterroles/view', /User\s+namespace shop\s+viewers/]]) {
    await page.goto(server.url + role)
    const bound = page.locator('.block tr', { has: page.locator('a', { hasText: /^dev$/ }) })
    assert.match(await bound.innerText(), who)
    await bound.locator('a', { hasText: /^dev$/ }).click()
    await page.waitForURL(/\/ui\/subject\?kind=User&name=dev/)
  }
  await page.goto(server.url + '/ui/whocan')
  await page.fill('[name=verb]', 'update')
  await page.fill('[name=resource]', 'deploy/scale')
  await page.fill('[name=ns]', 'shop')
  await page.click('button:text("Ask")')
  await page.waitForURL(/deploy/)
  assert.match(await page.innerText('[data-testid=grants]'), /dev\s+User\s+shop\/deployers\s+shop\/deployer/)
  assert.doesNotMatch(await page.innerText('[data-testid=grants]'), /shop\/viewers/)
  await done(c)
  const other = await context()
  const second = await login(server, other, 'token-dev', '/ui/whocan?verb=delete&resource=pods')
  assert.match(await second.innerText('#main'), /list on clusterroles/)
  assert.equal(await second.$('[data-testid=grants]'), null)
  await done(other)
})

test('R24: what one may do is a matrix, and what one may not says what would grant it', async () => {
  const c = await context()
  const page = await login(server, c, 'token-dev', '/ui/access?ns=shop')
  const row = (name) => page.locator('.matrix tbody tr').evaluateAll((l, name) => [...l.find((tr) => tr.cells[0].textContent.trim() === name).cells].slice(2, 10).map((td) => td.textContent.trim()[0]).join(''), name)
  assert.equal(await page.locator('.matrix thead th').evaluateAll((l) => l.map((th) => th.textContent).join(' ')), 'Resource Group get list watch create update patch delete deletecollection Only names')
  assert.equal(await row('pods'), '✓✓✓·····')
  await page.fill('[name=verb]', 'delete')
  await page.fill('[name=resource]', 'po')
  await page.click('button:text("Ask")')
  await page.waitForURL(/resource=po/)
  assert.match(await page.innerText('[data-testid=answer]'), /No.*delete pods/s)
  assert.match(await page.innerText('#main'), /kubectl create role -n shop NAME --verb=delete --resource=pods; kubectl create rolebinding -n shop NAME --role=NAME --user=dev/)
  await page.goto(server.url + '/ui/access?ns=shop&verb=get&resource=nodes')
  assert.match(await page.innerText('#main'), /kubectl create clusterrole NAME --verb=get --resource=nodes;/)
  await page.goto(server.url + '/ui/access?ns=shop&verb=list&resource=pods')
  assert.match(await page.innerText('[data-testid=answer]'), /Yes/)
  await done(c)
})

test('the overview counts by state, warns, and follows', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/')
  assert.match(await page.innerText('#main header'), /Health\s+●\s*ready, \d+ checks/)
  await live(page)
  const tile = (name) => page.innerText(`.tile[aria-label="${name}"]`)
  assert.match(await tile('Nodes'), /12\s+.*1 NotReady/s)
  assert.match(await page.innerText('[data-testid=warnings]'), /Readiness probe failed/)
  const before = Number((await tile('Services')).match(/\d+/)[0])
  await server.create('/api/v1/namespaces/shop/services', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'another' }, spec: { ports: [{ port: 1 }] } })
  await until(async () => Number((await tile('Services')).match(/\d+/)[0]) === before + 1)
  await page.waitForSelector('.uplot canvas')
  await page.click('.tile[aria-label="Nodes"] >> text=1 NotReady')
  await page.waitForURL(/nodes\?q=NotReady/)
  await done(c)
  const other = await context()
  const second = await login(server, other, 'token-dev', '/ui/')
  assert.match(await second.innerText('.tile[aria-label="Pods"]'), /in shop/)
  assert.match(await second.innerText('.tile[aria-label="Nodes"]'), /not yours to list/)
  assert.equal(await second.$('[data-testid=plots]'), null)
  await done(other)
})

test('R12: who may see some namespaces only sees them together', async () => {
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/platform/rolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'viewers', namespace: 'platform' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'dev' }],
  })
  const path = (ns) => `/api/v1/namespaces/${ns}/configmaps`
  await server.create(path('platform'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } })
  const expected = (await Promise.all(['shop', 'platform'].map((ns) => server.api('GET', path(ns))))).reduce((n, l) => n + l.items.length, 0)
  const c = await context()
  const page = await login(server, c, 'token-dev', '/ui/api/v1/configmaps')
  await live(page)
  assert.equal(await page.textContent('[data-testid=count]'), String(expected))
  assert.match(await page.textContent('[data-testid=narrowed]'), /platform, shop/)
  await server.create(path('platform'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'another' } })
  await server.create(path('team-red'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hidden' } })
  await until(async () => await page.textContent('[data-testid=count]') === String(expected + 1))
  assert.ok(!/hidden/.test(await page.innerText('[data-body]')))
  // The picker knows the same namespaces; all but one of them is the other one.
  await page.click('#namespaces summary')
  assert.deepEqual((await page.$$eval('#namespaces .choices a', (l) => l.map((a) => a.textContent))).sort(), ['platform', 'shop'])
  await page.check('#namespaces [value=shop]')
  await page.click('#namespaces button[name=except]')
  await page.waitForURL(/except=1/)
  await live(page)
  await until(async () => (await page.$$eval('[data-body] tr[data-uid] td:nth-child(2)', (l) => l.map((td) => td.textContent))).every((ns) => ns === 'platform'))
  await done(c)
})

test('R12: what can be done with an object is a button, and one with many a job', async () => {
  const c = await context()
  const base = '/apis/apps/v1/namespaces/shop/deployments'
  const page = await login(server, c, 'token-admin', `/ui${base}/api-gateway`)
  await page.click('[data-act-name=scale]')
  await page.waitForURL(/act=scale/)
  await page.fill('[name=change]', 'many')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('.problem')
  await page.fill('[name=change]', '5')
  await page.click('[data-testid=confirm]')
  await page.waitForURL((u) => u.pathname.endsWith('/api-gateway') && !u.search)
  assert.equal((await server.api('GET', base + '/api-gateway')).spec.replicas, 5)
  await page.click('[data-act-name=restart]')
  await page.click('[data-testid=confirm]')
  await until(async () => (await server.api('GET', base + '/api-gateway')).spec.template.metadata.annotations?.['kubectl.kubernetes.io/restartedAt'])
  await page.goto(server.url + '/ui/apis/batch/v1/namespaces/shop/cronjobs/report?act=trigger')
  await page.click('[data-testid=confirm]')
  await until(async () => (await server.api('GET', '/apis/batch/v1/namespaces/shop/jobs')).items.some((j) => /^report-manual-/.test(j.metadata.name)))
  await page.goto(server.url + '/ui/api/v1/nodes/node-03?act=cordon')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('[data-act-name=uncordon]')
  // Many: scale all deployments of a namespace.
  await page.goto(server.url + `/ui${base}`)
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=scale]')
  await page.fill('[name=change]', '2')
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  await until(async () => /done/.test(await page.textContent('[data-testid=progress]')))
  assert.ok((await server.api('GET', base)).items.every((d) => d.spec.replicas === 2))
  await done(c)
})
