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
    [shop('apps/deployments/api-gateway'), /Ready\s+1 of 1/, /Pods · \d/, /api-gateway-6c9f-x2b7q/, /Revisions/, /Service\s+api-gateway/, /HorizontalPodAutoscaler\s+api-gateway\s+1 to 8/],
    [shop('apps/daemonsets/log-agent'), /Ready\s+11 of 12/],
    [core('services/api-gateway'), /Endpoints · 1 of 2 ready/, /10\.0\.16\.147.*terminating/s, /http\s+80\s+http/, /Ingress.*shop\.example/s],
    [shop('networking.k8s.io/ingresses/shop'), /https:\/\/shop\.example\s+\/api\s+Prefix\s+api-gateway:http/, /shop\.example\s+gateway-token/],
    [shop('networking.k8s.io/networkpolicies/gateway'), /Lets in/, /in namespaces team=edge\s+TCP 8080/],
    ['/ui/api/v1/nodes/node-01', /cpu\s+.*of 7800m/, /dedicated=db\s+NoSchedule/, /Pods · \d/],
    ['/ui/api/v1/namespaces/shop', /Quota shop/, /pods\s+\d+ of 200/, /What is in it/, /Limits shop/],
    [core('persistentvolumeclaims/gateway-data'), /Volume\s+pv-gateway/, /api-gateway-6c9f-x2b7q\s+volume data/],
    ['/ui/api/v1/persistentvolumes/pv-gateway', /Claimed by\s+shop\/gateway-data/],
    [core('configmaps/api-gateway-config'), /workers=/, /variable LOG_LEVEL of api-gateway/],
    [shop('batch/jobs/report-28700'), /Succeeded\s+2 of 4/, /Failed\s+1 of at most 3/],
    [shop('batch/cronjobs/report'), /\*\/15 \* \* \* \* Europe\/Berlin/, /Next\s+.*:(00|15|30|45) CES?T \(in /, /report-28700.*Running/s],
    ['/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', /Scales\s+Deployment\/api-gateway/, /Resource cpu\s+88 %\s+70 %/],
    [shop('rbac.authorization.k8s.io/roles/deployer'), /get, list, watch, update, patch\s+deployments, deployments\/scale\s+apps/, /deployers\s+namespace shop\s+User dev, ServiceAccount platform\/ci/],
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

test('an overview follows its object', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', shop('apps/deployments/api-gateway'))
  await live(page)
  await server.api('PATCH', '/apis/apps/v1/namespaces/shop/deployments/api-gateway', { spec: { paused: true } }, 'application/merge-patch+json')
  await until(async () => /Rollout\s+paused/.test(await page.innerText('#object-body')))
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
