// R8: every page in every theme and width, for people who use other senses.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, login, quiet, quit } from '../harness.js'

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

let server, routes
before(async () => {
  server = await Server.start()
  const { pods } = await cluster(server, 40)
  await kinds(server)
  const { namespace, name } = pods[0].metadata
  const shop = (path) => `/ui/apis/${path.replace('/', '/v1/namespaces/shop/')}`
  const pod = `/ui/api/v1/namespaces/${namespace}/pods/${name}`
  await fetch(server.url + '/api/v1/namespaces/shop/pods', { method: 'POST', headers: { Authorization: 'Bearer token-admin', 'Audit-ID': 'look-1', 'Content-Type': 'application/json' }, body: JSON.stringify({ metadata: { name: 'Look' }, spec: { containers: [] } }) })
  routes = [
    '/ui/', '/ui/resources', '/ui/api/v1/pods', `/ui/api/v1/namespaces/${namespace}/pods?sort=restarts&desc=1&wide=1`, '/ui/api/v1/pods?q=-l+app%3D(', '/ui/api/v1/pods?q=nothing-has-this',
    pod, pod + '?tab=yaml', pod + '?tab=events', pod + '?tab=related', pod + '?tab=logs', pod + '?tab=shell', `/ui/logs?ns=${namespace}&q=-l+tier%3Dweb`, pod + '?tab=access', pod + '?edit=1', pod + '?delete=1', '/ui/apply?list=/ui/api/v1/configmaps',
    // An overview of each kind that has one of its own.
    '/ui/api/v1/namespaces/shop/pods/api-gateway-6c9f-x2b7q', shop('apps/deployments/api-gateway'), shop('apps/daemonsets/log-agent'), '/ui/api/v1/namespaces/shop/services/api-gateway', shop('networking.k8s.io/ingresses/shop'),
    shop('networking.k8s.io/networkpolicies/gateway'), '/ui/api/v1/nodes/node-01', '/ui/api/v1/namespaces/shop', '/ui/api/v1/namespaces/shop/secrets/gateway-token', '/ui/api/v1/namespaces/shop/persistentvolumeclaims/gateway-data',
    shop('batch/jobs/report-28700'), shop('batch/cronjobs/report'), '/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', shop('rbac.authorization.k8s.io/roles/deployer'), shop('rbac.authorization.k8s.io/rolebindings/deployers'),
    '/ui/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.example.com', shop('example.com/databases/orders'),
    '/ui/search?q=cart', '/ui/whoami', '/ui/sessions', '/ui/help', '/ui/access', '/ui/whocan', '/ui/whocan?verb=get&resource=pods', '/ui/subject?kind=ServiceAccount&name=job-controller&ns=kube-system', '/ui/nowhere',
    '/ui/requests', '/ui/requests?what=all', '/ui/requests/look-1', '/ui/audit', '/ui/changes', '/ui/changes?since=x', pod + '?tab=history',
    '/ui/explore', '/ui/explore?q=liveness', '/ui/explore/kind?gv=apis/apps/v1&kind=Deployment', '/ui/explore/kind?gv=api/v1&kind=Pod&field=spec.containers',
    '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps', '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/pods', '/ui/api/v1/pods?view=watch', pod + '?tab=watch', '/ui/api/v1/pods?view=watch&from=x', '/ui/window', `/ui/logs?ns=${namespace}&pods=${name}`,
  ]
})
after(async () => {
  await quit()
  await server.stop()
})

// Scripts of a test are not the page's: axe is put in past the policy.
async function check(page, what) {
  const found = await page.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source)
    const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary.split('\n')[1]}`).join('; ')}`)
  }, axe)
  return found.map((f) => `${what}: ${f}`)
}

// Every theme and width with AXE=all; without, each theme once and the widths
// that differ most.
const looks = process.env.AXE === 'all'
  ? ['dark', 'light', 'contrast'].flatMap((theme) => [1440, 768, 320].map((width) => [theme, width]))
  : [['dark', 1440], ['light', 320], ['contrast', 768]]
for (const [theme, width] of looks) {
  test(`axe finds nothing: ${theme} at ${width} px`, async () => {
    const c = await context({ viewport: { width, height: 800 }, bypassCSP: true })
    await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
    const page = await login(server, c)
    const found = []
    for (const route of routes) {
      await page.goto(server.url + route)
      await quiet(page, 50)
      found.push(...await check(page, route))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) found.push(`${route} is ${wide} px too wide`)
    }
    assert.deepEqual(found, [])
    c.faults = []
    await done(c)
  })
}

test('dark follows the system and is there from the first paint', async () => {
  for (const [scheme, dark] of [['dark', true], ['light', false]]) {
    const c = await context({ colorScheme: scheme, javaScriptEnabled: false })
    const page = await login(server, c)
    const [r] = (await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).match(/\d+/)
    assert.equal(Number(r) < 60, dark)
    await page.click('summary[aria-label=Theme]')
    await page.click(`button[value=${dark ? 'light' : 'dark'}]`)
    const [other] = (await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).match(/\d+/)
    assert.equal(Number(other) < 60, !dark)
    await done(c)
  }
})

test('the whole policy is sent, and nothing breaks it', async () => {
  const c = await context()
  const page = await login(server, c)
  for (const route of routes) {
    const answer = await page.goto(server.url + route)
    const policy = answer.headers()['content-security-policy'].replace(/'nonce-[^']+'/, "'nonce-R'")
    assert.equal(policy, "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-R'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
    assert.equal(answer.headers()['x-content-type-options'], 'nosniff')
    await quiet(page, 50)
  }
  await done(c)
})
