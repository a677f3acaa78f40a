// Pages of single objects: what each kind shows of itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

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
    ['/ui/api/v1/nodes/node-01', /Asked for.*cpu\s+.*of 7800m.*Limits of its pods.*memory\s+\d+Mi of 30Gi/s, /dedicated=db\s+NoSchedule/, /Pods · \d/],
    ['/ui/api/v1/namespaces/shop', /Quota shop/, /pods\s+\d+ of 200/, /What is in it/, /Limits shop/],
    [core('persistentvolumeclaims/gateway-data'), /Volume\s+pv-gateway/, /api-gateway-6c9f-x2b7q\s+volume data/],
    ['/ui/api/v1/persistentvolumes/pv-gateway', /Claimed by\s+shop\/gateway-data/],
    ['/ui/apis/storage.k8s.io/v1/storageclasses/fast', /Driver\s+disks\.example/, /pv-gateway\s+20Gi\s+●\s+Bound\s+shop\/gateway-data/],
    ['/ui/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/harbour', /ships\.example\.org\s+CREATE, UPDATE example\.org\/ships, example\.org\/ships\/status\s+shop\/api-gateway:8443\/admit\s+▲\s+Fail\s+5 s\s+in namespaces team=edge/],
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
