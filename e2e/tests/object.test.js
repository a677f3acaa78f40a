// Pages of single objects: what each kind shows of itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quit, unhurried, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 20)
  await kinds(server)
})
after(async () => {
  await quit()
  await server.stop()
})

const core = (path) => `/ui/api/v1/namespaces/shop/${path}`
const shop = (path) => `/ui/apis/${path.replace('/', '/v1/namespaces/shop/')}`

test('each kind shows what people look for in it', async () => {
  const c = await context()
  const page = await login(server, c)
  for (const [path, ...expected] of [
    [core('pods/api-gateway-6c9f-x2b7q'), /Node\s+node-/, /QoS\s+Burstable/, /LOG_LEVEL of configmaps\/api-gateway-config/, /readiness\s+probe\s+HTTP GET :8080\/ready/, /persistentVolumeClaim\s+gateway-data/],
    [shop('apps/deployments/api-gateway'), /Ready\s+1 of 1/, /Pods · \d/, /api-gateway-6c9f-x2b7q/, /Rollout\s+●?\s*complete/, /Revisions.*2\s+api-gateway-6c9f.*now.*1\s+api-gateway-5b7d\s+0 of 0\s+registry\.example\/shop\/api-gateway:1\.10\.0\s+.*to revision 1/s, /Service\s+api-gateway/, /HorizontalPodAutoscaler\s+api-gateway\s+1 to 8/],
    [shop('apps/statefulsets/ledger-db'), /Ready\s+2 of 3/, /data-ledger-db-0\s+▲\s+Pending\s+50Gi\s+fast/],
    [shop('apps/daemonsets/log-agent'), /Ready\s+11 of 12/],
    [core('services/api-gateway'), /Endpoints · 1 of 2 ready/, /10\.0\.16\.147.*terminating/s, /http\s+80\s+http/, /Ingress.*shop\.example/s],
    [shop('networking.k8s.io/ingresses/shop'), /https:\/\/shop\.example\s+\/api\s+Prefix\s+api-gateway:http/, /shop\.example\s+gateway-token/],
    [shop('networking.k8s.io/networkpolicies/gateway'), /Lets in/, /in namespaces team=edge\s+TCP 8080/, /Pods · \d.*api-gateway-6c9f-x2b7q/s],
    ['/ui/api/v1/nodes/node-01', /Name\s+Ready\s+Status\s+CPU requests\s+CPU limits\s+Memory requests\s+Memory limits\s.*Running\s+100m\s+128Mi\s+256Mi/s, /Asked for.*cpu\s+.*of 7800m.*Limits of its pods.*memory\s+\d+Mi of 30Gi/s, /dedicated=db\s+NoSchedule/, /Pods · \d/],
    ['/ui/api/v1/namespaces/shop', /Quota shop/, /pods\s+\d+ of 200/, /What is in it/, /Limits shop/],
    [core('persistentvolumeclaims/gateway-data'), /Volume\s+pv-gateway/, /api-gateway-6c9f-x2b7q\s+volume data/],
    ['/ui/api/v1/persistentvolumes/pv-gateway', /Claimed by\s+shop\/gateway-data/],
    ['/ui/apis/storage.k8s.io/v1/storageclasses/fast', /Driver\s+disks\.example/, /pv-gateway\s+20Gi\s+●\s+Bound\s+shop\/gateway-data/],
    ['/ui/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/harbour', /ships\.example\.org\s+CREATE, UPDATE example\.org\/ships, example\.org\/ships\/status\s+shop\/api-gateway:8443\/admit\s+Fail\s+5 s\s+in namespaces team=edge/],
    ['/ui/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/flags', /For\s+CREATE, UPDATE example\.org\/ships/, /variables\.flag != ""\s+a ship needs a flag\s+Invalid/, /flags-everywhere\s+Deny, Audit/],
    ['/ui/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/flags-everywhere', /Policy\s+flags/],
    [core('configmaps/api-gateway-config'), /workers=/, /variable LOG_LEVEL of api-gateway/],
    [shop('batch/jobs/report-28700'), /Succeeded\s+2 of 4/, /Failed\s+1 of at most 3/],
    [shop('batch/cronjobs/report'), /\*\/15 \* \* \* \* Europe\/Berlin/, /Next\s+.*:(00|15|30|45) CES?T \(in /, /report-28700.*Running/s],
    ['/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', /Scales\s+Deployment\/api-gateway/, /Resource cpu\s+88 %\s+70 %/],
    [shop('rbac.authorization.k8s.io/roles/deployer'), /get, list, watch, update, patch\s+deployments, deployments\/scale\s+apps/, /dev\s+User\s+namespace shop\s+deployers\s+platform\/ci\s+ServiceAccount\s+namespace shop\s+deployers/],
    [shop('rbac.authorization.k8s.io/rolebindings/deployers'), /Role\s+Role shop\/deployer/, /ServiceAccount\s+platform\/ci/, /Rules of the role/],
    ['/ui/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.example.com', /Database/, /There is 1\./, /Size, Phase, Engine/],
    [shop('example.com/databases/orders'), /Size\s+3/, /engine: postgres/],
  ]) {
    const answer = await page.goto(server.url + path)
    assert.equal(answer.status(), 200, path)
    const text = await page.innerText('#object-body')
    for (const e of expected) assert.match(text, e, `${path} shows\n${text}\nwithout ${e}`)
  }
  await done(c)
})

const definition = (plural, kind, scope) => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.metrics.k8s.io`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' } },
  spec: { group: 'metrics.k8s.io', scope, names: { plural, singular: kind.toLowerCase(), kind }, versions: [{ name: 'v1beta1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }] },
})

test('the overview lays what is requested, limited and used against what the nodes have, and follows it', async () => {
  const pod = async (name, nodeName, cpu) => {
    await server.create('/api/v1/namespaces/payments/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'payments' }, spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu, memory: '1Gi' }, limits: { cpu: '20', memory: '2Gi' } } }] } })
  }
  const gauges = (p) => p.$$eval('[data-testid=capacity] section', (l) => Object.fromEntries(l.map((s) => [s.querySelector('h2').textContent.trim(), [...s.querySelectorAll('li')].map((li) => li.innerText.replace(/\s+/g, ' ').trim())])))
  const c = await context({ javaScriptEnabled: false })
  const still = await login(server, c)
  let before // a page does not wait until the pods are counted
  await until(async () => { before = await gauges(still); return before.CPU || !await still.reload() })
  const [, cores, all] = before.CPU[0].match(/^Requests ([\d.]+) of ([\d.]+)/)
  assert.equal(all, '93.6', 'twelve nodes of 7.8')
  assert.equal(Number(cores), (await server.api('GET', '/api/v1/pods')).items.filter((p) => p.spec.nodeName && !/Succeeded|Failed/.test(p.status.phase))
    .reduce((sum, p) => sum + p.spec.containers.reduce((s, k) => s + parseFloat(k.resources.requests?.cpu ?? 0), 0), 0) / 1000, 'exactly what the pods ask for')
  assert.deepEqual(Object.keys(before), ['CPU', 'Memory', 'Pods'])
  const live1 = await context()
  const page = await login(server, live1)
  await live(page)
  await pod('hungry', 'node-05', '7500m')
  await page.waitForFunction((now) => document.querySelector('[data-testid=capacity]').innerText.includes(now), `${Number(cores) + 7.5} of 93.6`)
  const row = page.locator('[data-testid=fullest] tbody tr >> nth=0')
  assert.match(await row.innerText(), /node-05\s+7\.\d+\s+9\d %/)
  assert.ok(await row.locator('rect.warn').count() >= 1, 'nearly full, and promised more than there is')
  assert.match((await gauges(page)).CPU[1], /^Limits 20 of 93\.6 21 %/)
  // What is used comes with an API for it, and goes with it.
  assert.ok(!(await page.innerText('[data-testid=capacity]')).includes('Used'))
  for (const d of [definition('nodes', 'NodeMetrics', 'Cluster'), definition('pods', 'PodMetrics', 'Namespaced')]) await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', d)
  const metrics = '/apis/metrics.k8s.io/v1beta1'
  const put = (path, o) => until(() => server.create(metrics + path, { apiVersion: 'metrics.k8s.io/v1beta1', ...o }).catch(() => null))
  await put('/nodes', { kind: 'NodeMetrics', metadata: { name: 'node-05' }, usage: { cpu: '3900m', memory: '3Gi' } })
  await put('/namespaces/payments/pods', { kind: 'PodMetrics', metadata: { name: 'hungry' }, containers: [{ name: 'c', usage: { cpu: '1234m', memory: '77Mi' } }] })
  await page.waitForSelector('[data-testid=capacity] >> text=3.9 of 93.6')
  await page.goto(server.url + '/ui/api/v1/nodes/node-05')
  const text = await page.innerText('#object-body')
  assert.match(text, /Used now\s+cpu\s+3900m of 7800m\s+memory\s+3Gi of 30Gi/)
  assert.match(text, /hungry\s.*7500m\s+20\s+1234m\s+1Gi\s+2Gi\s+77Mi/s)
  // Who may not see nodes and pods is told what is missing.
  const dev = await context()
  const theirs = await login(server, dev, 'token-dev')
  assert.ok(await theirs.locator('details.denied', { hasText: 'nodes' }).count() > 0)
  assert.equal(await theirs.locator('[data-testid=capacity] li').count(), 0)
  await server.api('DELETE', '/api/v1/namespaces/payments/pods/hungry')
  for (const one of [live1, dev, c]) await done(one)
})

test('what else there is has a page that says what it is', async () => {
  const csr = 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQkFEQ0Jwd0lCQURBY01Rd3dDZ1lEVlFRRERBTmhibTR4RERBS0JnTlZCQW9NQTJSbGRqQlpNQk1HQnlxRwpTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCSnAzcWtYejhuQTBRMzBIQ2RlZ3JvY2wwQ3Fxc2xLbE5WNFFHU2lkCkRjVTNXT3psQ3ZXMXNPcXJGVDlJWm9ldnAzVVhwWVMwK3JFUlA4R05WYXZoL0lXZ0tUQW5CZ2txaGtpRzl3MEIKQ1E0eEdqQVlNQllHQTFVZEVRUVBNQTJDQzJGdWJpNWxlR0Z0Y0d4bE1Bb0dDQ3FHU000OUJBTUNBMGdBTUVVQwpJRlF6NUF3emtTMGk0b0VYQ0R3ejV5ZTdtZ3NBcUhFUWxFTjFCTDQ4QktnS0FpRUF1VFFKMTZ0L2ZoZ0lQL1hLClJRcFJYa3d5a2I4NnlhQkt3WWZoTVF1WEIvZz0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=='
  await server.create('/apis/certificates.k8s.io/v1/certificatesigningrequests', { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'ann' }, spec: { request: csr, signerName: 'example.com/nobody', usages: ['client auth'], expirationSeconds: 86400 } })
  const at = (s) => new Date(Date.now() - s * 1000).toISOString().replace('Z', '000Z')
  await server.create('/apis/coordination.k8s.io/v1/namespaces/shop/leases', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'leader' }, spec: { holderIdentity: 'web-1', leaseDurationSeconds: 15, renewTime: at(600), acquireTime: at(9000), leaseTransitions: 3 } })
  await server.create('/apis/scheduling.k8s.io/v1/priorityclasses', { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'shop' }, value: 1000, description: 'For what sells' })
  const c = await context()
  const page = await login(server, c)
  for (const [path, ...expected] of [
    [shop('coordination.k8s.io/leases/leader'), /Holder\s+web-1/, /Renewed\s+10m/, /Changes of the holder\s+3/, /State\s+▲\s*ran out/],
    ['/ui/apis/scheduling.k8s.io/v1/priorityclasses/shop', /Value\s+1000/, /Description\s+For what sells/],
    ['/ui/apis/apiregistration.k8s.io/v1/apiservices/v1.apps', /Group\s+apps/, /Served by\s+this server/],
    ['/ui/apis/certificates.k8s.io/v1/certificatesigningrequests/ann', /Asked by\s+admin/, /Signer\s+example\.com\/nobody/, /Usages\s+client auth/, /For\s+CN=ann,O=dev/, /Names\s+ann\.example/],
  ]) {
    await page.goto(server.url + path)
    const text = await page.innerText('#object-body')
    for (const e of expected) assert.match(text, e, `${path} shows\n${text}`)
  }
  await page.click('[data-act-name=approve]')
  await page.waitForURL(/act=approve/)
  assert.equal((await page.textContent('.same [data-same=kubectl]')).trim(), 'kubectl certificate approve ann')
  await page.click('[data-testid=confirm]')
  await page.waitForURL((u) => u.pathname.endsWith('/ann') && !u.search)
  const o = await server.api('GET', '/apis/certificates.k8s.io/v1/certificatesigningrequests/ann')
  assert.deepEqual(o.status.conditions.map((k) => [k.type, k.status]), [['Approved', 'True']])
  assert.equal(await page.locator('[data-act-name=approve], [data-act-name=deny]').count(), 0, 'what is answered is not asked again')
  await done(c)
})

test('R6: what is right for a while only does not stay on a page', async () => {
  const c = await context()
  const at = (s) => new Date(Date.now() - s * 1000).toISOString().replace('Z', '000Z')
  await server.create('/apis/coordination.k8s.io/v1/namespaces/shop/leases', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'short' }, spec: { holderIdentity: 'web-1', leaseDurationSeconds: 20, renewTime: at(0), acquireTime: at(0) } })
  const page = await login(server, c, 'token-admin', shop('coordination.k8s.io/leases/short'))
  assert.match(await page.innerText('#object-body'), /State\s+●\s*held/)
  await page.waitForSelector('#object-body dd >> text=ran out')
  await server.create('/api/v1/namespaces/shop/pods', { metadata: { name: 'ended' }, spec: { nodeName: 'nowhere', containers: [{ name: 'c', image: 'i' }] } })
  await server.api('PATCH', '/api/v1/namespaces/shop/pods/ended/status', { status: { containerStatuses: [{ name: 'c', image: 'i', imageID: 'i', ready: true, restartCount: 4, state: { running: { startedAt: at(5).slice(0, 19) + 'Z' } }, lastState: { terminated: { exitCode: 1, reason: 'Error', finishedAt: at(10).slice(0, 19) + 'Z' } } }] } }, 'application/strategic-merge-patch+json')
  await page.goto(server.url + core('pods/ended'))
  const ended = () => page.innerText('#object-body td:has-text("exit code")')
  const was = await ended()
  assert.match(was, /^Error, exit code 1, \d+s ago$/)
  await until(async () => await ended() !== was)
  assert.match(await ended(), /^Error, exit code 1, \d+s ago$/)
  for (const path of ['/apis/coordination.k8s.io/v1/namespaces/shop/leases/short', '/api/v1/namespaces/shop/pods/ended']) await server.api('DELETE', path)
  await done(c)
})

test('an object\'s page follows its pods, and its events', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', shop('apps/replicasets/api-gateway-6c9f'))
  await live(page)
  const name = 'api-gateway-6c9f-x2b7q'
  const restarts = (n) => server.api('PATCH', `/api/v1/namespaces/shop/pods/${name}/status`, { status: { containerStatuses: [{ name: 'api-gateway', restartCount: n }] } }, 'application/strategic-merge-patch+json')
  await restarts(4321)
  await page.waitForSelector('#object-body td >> text=/^4321/')
  // Nor is anything missed while the connection is lost.
  await c.setOffline(true)
  await page.waitForSelector('#live[data-state=lost]')
  await restarts(5432)
  await c.setOffline(false)
  await page.waitForSelector('#object-body td >> text=/^5432/')
  // Nor while the server cannot answer.
  let refused = 0
  await page.route((u) => u.pathname.endsWith('/api-gateway-6c9f'), (r) => refused++ < 2 ? r.fulfill({ status: refused === 1 ? 503 : 429 }) : r.fallback())
  await restarts(6543)
  await page.waitForSelector('#object-body td >> text=/^6543/')
  assert.ok(refused > 2)
  await page.goto(server.url + core(`pods/${name}?tab=events`))
  await live(page)
  await server.create('/api/v1/namespaces/shop/events', { apiVersion: 'v1', kind: 'Event', metadata: { name: 'x.new', namespace: 'shop' }, type: 'Warning', reason: 'JustNow', message: 'it happened', count: 1, firstTimestamp: new Date().toISOString().replace(/\.\d+/, ''), lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''), involvedObject: { kind: 'Pod', apiVersion: 'v1', name, namespace: 'shop', uid: (await server.api('GET', `/api/v1/namespaces/shop/pods/${name}`)).metadata.uid } })
  await page.waitForSelector('#object-body td >> text=JustNow')
  await done(c)
})

test('the values of a Secret are sent when they are asked for, and edited as they are', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', core('secrets/gateway-token'))
  const encoded = Buffer.from('s3cr3t-t0ken').toString('base64')
  for (const hidden of ['s3cr3t-t0ken', encoded]) assert.ok(!(await page.content()).includes(hidden))
  await page.click('[data-testid=reveal]')
  await page.waitForSelector('pre >> text=s3cr3t-t0ken')
  await done(c)
})

test('a pod says how its containers ended, and a Deployment is rolled back', async () => {
  const c = await context()
  await unhurried(c)
  const crashing = (await server.api('GET', '/api/v1/pods')).items.find((p) => p.status.containerStatuses.some((s) => s.state.waiting?.reason === 'CrashLoopBackOff'))
  const page = await login(server, c, 'token-admin', `/ui/api/v1/namespaces/${crashing.metadata.namespace}/pods/${crashing.metadata.name}`)
  assert.match(await page.innerText('#object-body'), /CrashLoopBackOff\s+back-off\s+14\s+Error, exit code 1, \S+ ago/)
  const path = shop('apps/deployments/api-gateway')
  const deployed = async () => (await server.api('GET', path.slice(3))).spec.template
  const was = await deployed()
  await page.goto(server.url + path)
  await page.click('a >> text=to revision 1')
  await page.waitForURL(/act=rollback&change=1/)
  assert.match(await page.innerText('#main'), /kubectl rollout undo deployments\/api-gateway --to-revision=N -n shop/)
  await page.click('[data-testid=confirm]')
  await page.waitForURL((u) => u.pathname === path && !u.search)
  const now = await deployed()
  assert.equal(now.spec.containers[0].image, 'registry.example/shop/api-gateway:1.10.0')
  assert.deepEqual(now.metadata.labels, was.metadata.labels)
  await page.click('[data-undo]')
  await until(async () => (await deployed()).spec.containers[0].image === was.spec.containers[0].image)
  // What there is not, and what it has already, is said.
  for (const [revision, why] of [['7', 'There is no such revision of api-gateway.'], ['2', 'Revision 2 of api-gateway is the one that it has.']]) {
    await page.goto(server.url + `${path}?act=rollback&change=${revision}`)
    await page.click('[data-testid=confirm]')
    await page.waitForSelector(`text=${why}`)
  }
  await done(c)
})

test('an overview follows its object', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', shop('apps/deployments/api-gateway'))
  await live(page)
  await server.api('PATCH', '/apis/apps/v1/namespaces/shop/deployments/api-gateway', { spec: { paused: true } }, 'application/merge-patch+json')
  await until(async () => /Rollout\s+▲\s*paused/.test(await page.innerText('#object-body')))
  await done(c)
})

test('what belongs together is found from each side', async () => {
  const c = await context()
  const page = await login(server, c)
  for (const [path, ...expected] of [
    [core('pods/api-gateway-6c9f-x2b7q'), /Owned by\s+.*ReplicaSet\s+api-gateway-6c9f.*Deployment\s+api-gateway/s, /ConfigMap\s+api-gateway-config\s+shop\s+volume config, variable LOG_LEVEL of api-gateway/, /PersistentVolumeClaim\s+gateway-data\s+shop\s+volume data/, /Used by.*Service\s+api-gateway\s+shop\s+selector.*Ingress\s+shop/s],
    [core('services/api-gateway'), /Selects · \d.*Pod\s+api-gateway-6c9f-x2b7q/s, /Endpoints.*EndpointSlice.*Pod\s+api-gateway-6c9f-x2b7q\s+ready/s, /Used by.*Ingress\s+shop/s],
    [core('configmaps/api-gateway-config'), /Used by.*variable LOG_LEVEL of api-gateway/s],
    [core('secrets/gateway-token'), /Used by.*Ingress\s+shop\s+shop\s+tls/s],
    [core('persistentvolumeclaims/gateway-data'), /Uses.*PersistentVolume\s+pv-gateway/s, /Used by.*api-gateway-6c9f-x2b7q/s],
    [shop('apps/deployments/api-gateway'), /Used by.*Service\s+api-gateway.*HorizontalPodAutoscaler\s+api-gateway\s+shop\s+scales/s],
    ['/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', /Uses\s+.*Deployment\s+api-gateway/s],
    [shop('rbac.authorization.k8s.io/roles/deployer'), /Used by.*RoleBinding\s+deployers\s+shop\s+grants/s],
    [shop('rbac.authorization.k8s.io/rolebindings/deployers'), /ServiceAccount\s+ci\s+(is not there\s+|▲\s*is not there\s+)?/],
  ]) {
    await page.goto(server.url + path + '?tab=related')
    const text = await page.innerText('#object-body')
    for (const e of expected) assert.match(text, e, `${path} is related to\n${text}\nwithout ${e}`)
  }
  await done(c)
})
