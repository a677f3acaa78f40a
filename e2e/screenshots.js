// Makes the pictures of docs/images: the main pages at two sizes, light and
// dark. node e2e/screenshots.js [--out DIR] [--only REGEX] [--look dark-wide]
import { mkdirSync } from 'node:fs'
import { cluster, kinds } from './fixture.js'
import { Server, context, live, login, quiet, quit, until } from './harness.js'
import { Kubelet } from './kubelet.js'

const arg = (name, fallback) => { const i = process.argv.indexOf('--' + name); return i < 0 ? fallback : process.argv[i + 1] }
const out = arg('out', new URL('../docs/images', import.meta.url).pathname)
const only = new RegExp(arg('only', '^(overview|pods|panel|logs|shell|review|watch|explorer|palette|who-can)$'))
const looks = { 'dark-wide': ['dark', 1440, 900], 'light-wide': ['light', 1440, 900], 'dark-phone': ['dark', 375, 812], 'light-phone': ['light', 375, 812] }
const chosen = new RegExp(arg('look', '.'))
mkdirSync(out, { recursive: true })

const server = await Server.start()
process.on('exit', () => server.process.kill()) // also after what failed
await cluster(server, 260)
await kinds(server)
await rolledOut()
const node = await Kubelet.start(server)
await node.pod('shop', 'web', { containers: ['main', 'proxy'] })
node.log('shop/web/main', Array.from({ length: 80 }, (_, i) => i % 17 === 3
  ? '\x1b[33mWARN\x1b[0m  slow query: 412 ms  SELECT * FROM orders WHERE state = $1'
  : i % 29 === 7 ? '\x1b[31mERROR\x1b[0m upstream payments: connection reset by peer (attempt 2 of 3)'
    : i % 11 === 5 ? `{"level":"info","message":"cache refreshed","entries":${1200 + i},"took":"38ms"}`
      : `\x1b[32mINFO\x1b[0m  GET /orders/${4200 + i * 7} 200 ${3 + i % 9} ms`))
node.log('shop/web/proxy', ['listening on :15001', 'upstream main is healthy'])
// The plots of the overview need a past: it is photographed last, and till then
// somebody works with the server now more and now less.
let working = true
const work = (async () => {
  for (let i = 0; working; i++) {
    const busy = 12 + 10 * Math.sin(i / 9) + 8 * Math.sin(i / 3.7)
    for (let k = 0; k < busy; k++) await server.api('GET', `/api/v1/namespaces/shop/pods?limit=${1 + k * 3}`)
    for (let k = 0; k < busy / 6; k++) await server.api('PATCH', '/api/v1/nodes/node-02', { metadata: { annotations: { turn: `${i}-${k}` } } }, 'application/merge-patch+json')
    await new Promise((ok) => setTimeout(ok, 700))
  }
})()
const web = '/ui/api/v1/namespaces/shop/pods/web'
const pod = '/ui/api/v1/namespaces/shop/pods/api-gateway-6c9f-x2b7q'

/** rolledOut gives all Deployments but two the status that a controller writes. */
async function rolledOut() {
  const { items } = await server.api('GET', '/apis/apps/v1/deployments')
  for (const [i, d] of items.entries()) {
    const n = d.spec.replicas
    const ready = i % 7 === 3 ? n - 1 : n
    await server.api('PATCH', `/apis/apps/v1/namespaces/${d.metadata.namespace}/deployments/${d.metadata.name}/status`, { status: { observedGeneration: d.metadata.generation, replicas: n, updatedReplicas: n, readyReplicas: ready, availableReplicas: ready, unavailableReplicas: n - ready } }, 'application/merge-patch+json')
  }
}

/** edit puts another line in the place of the first one that has text. */
async function edit(page, text, change) {
  await page.waitForSelector('.cm-content')
  const line = await page.evaluate((text) => {
    const line = [...document.querySelectorAll('.cm-line')].find((l) => l.textContent.includes(text))
    const range = document.createRange()
    range.selectNodeContents(line)
    getSelection().removeAllRanges()
    getSelection().addRange(range)
    document.querySelector('.cm-content').focus()
    return line.textContent
  }, text)
  await quiet(page, 100)
  await page.keyboard.insertText(change(line))
}

/** shots are the pictures: a name, a page, and what is done on it before. */
const shots = [
  ['pods', '/ui/api/v1/pods?sort=restarts&desc=1', live],
  ['panel', '/ui/api/v1/namespaces/shop/pods', async (page) => {
    await live(page)
    if (page.viewportSize().width < 1000) return page.goto(server.url + pod)
    for (let i = 0; i < 4; i++) await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#panel [data-object]')
  }],
  ['pod', pod], ['pod-access', pod + '?tab=access'], ['pod-related', pod + '?tab=related'],
  ['deployment', '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway'], ['service', '/ui/api/v1/namespaces/shop/services/api-gateway'],
  ['secret', '/ui/api/v1/namespaces/shop/secrets/gateway-token'], ['node', '/ui/api/v1/nodes/node-01'], ['namespace', '/ui/api/v1/namespaces/shop'],
  ['cronjob', '/ui/apis/batch/v1/namespaces/shop/cronjobs/report'], ['hpa', '/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway'],
  ['ingress', '/ui/apis/networking.k8s.io/v1/namespaces/shop/ingresses/shop'], ['pvc', '/ui/api/v1/namespaces/shop/persistentvolumeclaims/gateway-data'],
  ['rolebinding', '/ui/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/deployers'], ['crd', '/ui/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.example.com'],
  ['configmap', '/ui/api/v1/namespaces/shop/configmaps/api-gateway-config'], ['job', '/ui/apis/batch/v1/namespaces/shop/jobs/report-28700'],
  ['logs', web + '?tab=logs&container=*', async (page) => { await page.waitForFunction(() => document.querySelectorAll('#main .lr').length > 10) }],
  ['shell', web, async (page) => {
    await live(page)
    await page.keyboard.press('s')
    await page.waitForSelector('.docktab[data-state=open]')
    await page.click('.term')
    for (const line of ['echo kubectl exec, in the page', 'echo this shell outlives a reload of it']) {
      await page.keyboard.type(line + '\r')
      await until(() => page.evaluate((text) => document.querySelector('.xterm-rows').textContent.includes('\n' + text) || document.querySelector('.xterm-rows').textContent.split(text).length > 2, line.slice(5)))
    }
  }],
  ['who-can', '/ui/whocan?verb=get&resource=secrets&ns=shop'], ['subject', '/ui/subject?kind=User&name=dev'], ['access', '/ui/access?ns=shop'], ['whoami', '/ui/whoami'],
  ['explorer', '/ui/explore/op?gv=apis/apps/v1&method=POST&path=/apis/apps/v1/namespaces/{namespace}/deployments', (page) => page.waitForSelector('.cm-content')], ['explore', '/ui/explore'],
  ['resources', '/ui/resources'], ['apply', '/ui/apply?list=/ui/apis/apps/v1/namespaces/shop/deployments'],
  ['palette', '/ui/api/v1/pods', async (page) => {
    await live(page)
    await page.click('[data-act=palette]')
    await page.keyboard.insertText('gateway')
    await page.waitForSelector('#palette [role=option]')
  }],
  ['review', '/ui/api/v1/namespaces/shop/configmaps/api-gateway-config?edit=1', async (page) => {
    await edit(page, 'LOG_LEVEL', () => '  LOG_LEVEL: debug')
    await page.keyboard.press('Control+s')
    await page.waitForSelector('.diff .ins')
  }],
  ['columns', '/ui/api/v1/namespaces/shop/pods', async (page) => { await live(page); await page.click('[data-testid=columns] > summary') }],
  ['recent', '/ui/api/v1/services', async (page) => {
    await live(page)
    for (const path of ['api/v1/namespaces/shop/configmaps/api-gateway-config', 'apis/apps/v1/namespaces/shop/deployments/api-gateway']) {
      await page.goto(`${server.url}/ui/${path}`)
      await live(page)
    }
    await page.goto(server.url + '/ui/')
    await page.keyboard.press('Control+k')
    await page.waitForSelector('#palette [role=option]')
  }],
  ['conflict', '/ui/apis/apps/v1/namespaces/shop/deployments/api-gateway?edit=1', async (page) => {
    await edit(page, 'image:', (line) => line.replace(/image: .*/, 'image: registry.example/shop/api-gateway:2.0.0'))
    const n = Date.now()
    await server.api('PATCH', '/apis/apps/v1/namespaces/shop/deployments/api-gateway', { spec: { paused: false, minReadySeconds: 1 + n % 500, template: { spec: { containers: [{ name: 'api-gateway', image: `registry.example/shop/api-gateway:1.${n % 1000}.3` }] } } } }, 'application/strategic-merge-patch+json')
    await page.keyboard.press('Control+s')
    await page.waitForSelector('[data-testid=conflicts]')
  }],
  ['toast', '/ui/api/v1/namespaces/shop/configmaps/frontend-config?edit=1', async (page) => {
    await edit(page, 'LOG_LEVEL', () => `  LOG_LEVEL: l${Date.now()}`)
    await page.keyboard.press('Control+s')
    await page.waitForSelector('.diff .ins')
    await page.keyboard.press('Control+s')
    await page.waitForSelector('[data-undo]')
  }],
  ['watch', '/ui/api/v1/namespaces/shop/configmaps?view=watch', async (page) => {
    await live(page)
    const path = '/api/v1/namespaces/shop/configmaps'
    for (const level of ['debug', 'warn']) await server.api('PATCH', path + '/api-gateway-config', { data: { LOG_LEVEL: level } }, 'application/merge-patch+json')
    await page.waitForSelector('[data-type=MODIFIED]')
  }],
  ['overview', '/ui/', async (page) => { await page.waitForSelector('.uplot', { timeout: 40_000 }) }],
]

const began = Date.now()
for (const overview of [false, true]) for (const [look, [theme, width, height]] of Object.entries(looks)) {
  if (!chosen.test(look)) continue
  if (overview) { // a sample every ten seconds
    if (!only.test('overview')) continue
    await new Promise((ok) => setTimeout(ok, Math.max(0, began + (Number(process.env.PAST ?? 170) * 1e3) - Date.now())))
  }
  const c = await context({ viewport: { width, height }, colorScheme: theme === 'dark' ? 'dark' : 'light' })
  await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
  const page = await login(server, c)
  for (const [name, path, act] of shots) {
    if (!only.test(name) || (name === 'overview') !== overview) continue
    await page.goto(server.url + path)
    await act?.(page)
    await quiet(page, 150)
    await page.screenshot({ path: `${out}/${name}-${look}.png` })
    if (name === 'shell') { // the dock goes along from page to page
      await page.click('#dock button[aria-label^="Close this tab"]')
    }
  }
  if (c.faults.length) {
    console.error(look, c.faults)
    process.exitCode = 1
  }
  await c.close()
}
working = false
await work
await quit()
await node.stop()
await server.stop()
