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
  // No shell is opened that would be refused; the tab says why.
  await page.goto(server.url + pod)
  await page.press('body', 's')
  await page.click('[data-denied=shell] summary')
  assert.match(await page.innerText('[data-denied=shell] .sheet'), /create on pods\/exec in namespace shop/)
  assert.equal(await page.$('.docktab'), null)
  // The navigation has what may be listed; what may not says so once, and nothing else.
  assert.equal(await page.locator('#nav a', { hasText: /^(Nodes|Secrets|Audit|Who can)$/ }).count(), 0)
  assert.match(await page.innerText('[data-testid=not-yours]'), /^\d+ more types, not yours to list$/)
  await page.click('[data-testid=not-yours]')
  await page.click('main >> text=/^. ?secrets$/')
  await page.waitForURL(/secrets/)
  assert.equal(await page.locator('[data-testid=fault]').count(), 1)
  assert.equal(await page.$('[data-problem]:not([hidden]), #filter, #namespaces'), null)
  // What may be seen in some namespace is found.
  await page.press('body', 'Control+k')
  await page.keyboard.insertText('gateway-data')
  await page.click('#palette a[href$="persistentvolumeclaims/gateway-data"]')
  await page.waitForURL(/gateway-data/)
  await done(c)
})

const turned = '\u202e'
const evil = `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=2">{{7*7}}"'\`${turned}gnp.exe\u200b z\u0301\u0302 שלום`

test('R24: what objects say neither runs, nor hides, nor breaks the page', async () => {
  const long = ['a', 'b', 'c'].map((l) => l.repeat(63)).join('.') + '.' + 'd'.repeat(61)
  const maps = '/api/v1/namespaces/team-red/configmaps', roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles'
  const many = (n, f) => Object.fromEntries(Array.from({ length: n }, (_, i) => f(i)))
  await server.create(maps, { metadata: { name: long, annotations: { evil }, labels: many(5000, (i) => ['l'.repeat(40) + i, 'v'.repeat(40)]) }, data: { ...many(300, (i) => ['k' + i, 'v']), ['A'.repeat(253)]: evil } })
  await server.create('/api/v1/namespaces/team-red/events', { metadata: { name: 'evil' }, involvedObject: { kind: 'ConfigMap', name: long, namespace: 'team-red', apiVersion: 'v1' }, type: 'Warning', reason: evil, message: evil, source: { component: evil }, lastTimestamp: '9999-12-31T23:59:59Z' })
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { metadata: { name: 'traps.evil.example' }, spec: { group: 'evil.example', scope: 'Namespaced', names: { plural: 'traps', singular: 'trap', kind: 'Trap', listKind: 'TrapList' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', description: evil, 'x-kubernetes-preserve-unknown-fields': true } }, additionalPrinterColumns: [{ name: evil, type: 'string', jsonPath: '.spec.text', description: evil }, { name: 'When', type: 'date', jsonPath: '.spec.when' }] }] } })
  const traps = '/apis/evil.example/v1/namespaces/team-red/traps'
  const trap = { apiVersion: 'evil.example/v1', kind: 'Trap', metadata: { name: 'odd' }, spec: { text: evil, when: '0001-01-01T00:00:00Z', template: [], containers: { a: 1 }, replicas: 'many', selector: null }, status: { conditions: [null, 'x', { type: 1, status: true, message: { a: 1 }, lastTransitionTime: '99999-01-01T00:00:00Z' }], phase: { x: evil }, containerStatuses: 'no' }, [evil]: [[null]] }
  await until(() => server.create(traps, trap).then(() => true, () => false))
  const pages = ['/ui' + maps, `/ui${maps}/${long}`, `/ui${maps}/${long}?tab=events`, `/ui${maps}/${long}?delete=1`, '/ui' + traps, `/ui${traps}/odd`, `/ui${traps}/odd?tab=yaml`, `/ui${traps}/odd?edit=1`, '/ui' + roles, '/ui/changes', '/ui/']
  for (const [width, name] of [[1440, `adm${turned}nimda <b>`], [375, `b\u2066ob`]]) {
    const c = await context({ viewport: { width, height: 812 } })
    const page = await login(server, c, 'token-admin', '/ui' + roles)
    await live(page)
    // What comes while one looks, too.
    await server.create(roles, { metadata: { name }, rules: [] })
    const seen = name.replace(/[\u2000-\u20ff]/g, (s) => `[U+${s.charCodeAt().toString(16).toUpperCase()}]`)
    await page.fill('#filter', name.slice(-3))
    await until(async () => (await page.innerText('[data-body]')).includes(seen))
    for (const path of pages) {
      await page.goto(server.url + path)
      const state = await page.evaluate(() => {
        const hides = []
        for (const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); texts.nextNode();) {
          const e = texts.currentNode.parentElement
          if (/[\u202a-\u202e\u2066-\u2069\u200b]/.test(texts.currentNode.data) && !e.closest('textarea, script')) hides.push(e.outerHTML.slice(0, 80))
        }
        return { hacked: window.hacked, hides, beyond: document.scrollingElement.scrollWidth - innerWidth, many: document.querySelectorAll('*').length > 5000 }
      })
      assert.deepEqual(state, { hacked: undefined, hides: [], beyond: 0, many: false }, `${path} at ${width}`)
    }
    await done(c)
  }
})

test('section 9: what may be answered a moment later is asked for again', async () => {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', ships = '/apis/sea.example/v1beta1/namespaces/shop/ships'
  const version = (name, storage) => ({ name, storage, served: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } })
  await server.create(crds, { metadata: { name: 'ships.sea.example' }, spec: { group: 'sea.example', scope: 'Namespaced', names: { plural: 'ships', singular: 'ship', kind: 'Ship', listKind: 'ShipList' }, versions: [version('v1', false), version('v1beta1', true)], conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://127.0.0.1:1/convert' } } } } })
  await until(() => server.create(ships, { apiVersion: 'sea.example/v1beta1', kind: 'Ship', metadata: { name: 'argo' } }).then(() => true, () => false))
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/apis/sea.example/v1/ships')
  assert.match(await page.innerText('[data-testid=fault]'), /conversion webhook.*500 · audit id [0-9a-f-]{36}/s)
  assert.ok(await page.$('[data-again]'))
  await server.api('PATCH', crds + '/ships.sea.example', { spec: { conversion: { strategy: 'None', webhook: null } } }, 'application/merge-patch+json')
  await page.waitForSelector('[data-body] >> text=argo') // by itself, where one looks
  assert.equal(await page.locator('[data-testid=fault], [data-problem]:not([hidden])').count(), 0)
  // A server that says how long to wait is asked again after that.
  const busy = `<section class="fault" role="alert"><h2>busy</h2><p><a class="button" href="/ui/help" data-again>Try again</a> <span data-countdown="1000">1 s</span></p></section>`
  await page.route('**/ui/sessions', async (r) => { const answer = await r.fetch(); await r.fulfill({ response: answer, body: (await answer.text()).replace(/(<main[^>]*>)[^]*<\/main>/, `$1${busy}</main>`) }) })
  await page.goto(server.url + '/ui/sessions')
  await page.waitForURL(/\/ui\/help/)
  await page.unroute('**/ui/sessions')
  await server.api('DELETE', crds + '/ships.sea.example')
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
  // Restart what a filter shows, in all namespaces but one.
  const everywhere = '/apis/apps/v1/deployments'
  await page.goto(server.url + `/ui${everywhere}?ns=shop&except=1&q=-l+app+in+(cart,billing)`)
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=restart]')
  await page.click('[data-testid=confirm]')
  await page.waitForURL(/\/ui\/jobs\//)
  await until(async () => /done/.test(await page.textContent('[data-testid=progress]')))
  const key = (d) => `${d.metadata.namespace}/${d.metadata.name}`
  const items = (await server.api('GET', everywhere)).items
  const matching = items.filter((d) => ['cart', 'billing'].includes(d.metadata.labels?.app) && d.metadata.namespace !== 'shop').map(key)
  const restarted = items.filter((d) => d.spec.template.metadata.annotations?.['kubectl.kubernetes.io/restartedAt']).map(key)
  assert.ok(matching.length > 1)
  assert.deepEqual(restarted.sort(), [...matching, 'shop/api-gateway'].sort())
  await done(c)
})

test('R12: a list has the namespaces that one picks, or all but those', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/configmaps')
  await live(page)
  await page.click('#namespaces summary')
  await page.check('#namespaces [value=kube-system]')
  await page.click('#namespaces button[name=except]')
  await page.waitForURL(/ns=kube-system&except=1/)
  await live(page)
  const count = async (ns = '') => (await server.api('GET', '/api/v1/configmaps?fieldSelector=metadata.namespace!%3Dkube-system')).items.filter((o) => !ns || o.metadata.namespace === ns).length
  const shows = (n) => until(async () => Number(await page.textContent('[data-testid=count]')) === n)
  await shows(await count())
  assert.ok(!(await page.innerText('[data-body]')).includes('kube-system'))
  assert.match(await page.textContent('[data-command]'), /kubectl get configmaps -A --field-selector 'metadata.namespace!=kube-system'/)
  for (const ns of ['kube-system', 'shop']) await server.create(`/api/v1/namespaces/${ns}/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'all-but' } })
  await page.waitForSelector('[data-body] tr:has-text("all-but")')
  await shows(await count())
  await page.goto(server.url + '/ui/api/v1/configmaps?ns=shop,kube-public')
  await live(page)
  await shows(await count('shop') + await count('kube-public'))
  await done(c)
})
