// The three questions: why was that ReplicaSet scaled to 100, who deleted that
// Pod, why was I refused? They are answered on a scripted story.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Server, context, done, live, login, quit, until } from '../harness.js'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const sets = '/apis/apps/v1/namespaces/shop/replicasets'
const pods = '/api/v1/namespaces/shop/pods'

let server, dir
const ids = {}

/** as makes a request as a user and gives its audit id. */
async function as(token, method, path, body, type = 'application/json') {
  const r = await fetch(server.url + path, { method, headers: { Authorization: 'Bearer ' + token, 'User-Agent': 'story', ...(body && { 'Content-Type': type }) }, body: body && JSON.stringify(body) })
  await r.text()
  return { id: r.headers.get('audit-id'), code: r.status }
}

const policy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  verbs: [create, update, patch]
  resources: [{group: "", resources: [configmaps, secrets]}]
- level: None
`

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilothouse-policy-'))
  writeFileSync(join(dir, 'policy.yaml'), policy)
  server = await Server.start('--controllers=*,-replicaset', '--audit-policy-file=' + join(dir, 'policy.yaml'))
  await server.create('/api/v1/namespaces', { metadata: { name: 'shop' } })
  await server.create(`${rbac}/namespaces/shop/roles`, { metadata: { name: 'scaler' }, rules: [
    { verbs: ['get', 'list', 'patch'], apiGroups: ['apps'], resources: ['replicasets'] }, { verbs: ['get', 'delete'], apiGroups: [''], resources: ['pods'] }] })
  await server.create(`${rbac}/namespaces/shop/rolebindings`, { metadata: { name: 'devs' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'scaler' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'developers' }] })
  await server.create(sets, { metadata: { name: 'web' }, spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web:1' }] } } } })
  await server.create(pods, { metadata: { name: 'web-1', labels: { app: 'web' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'web:1', env: [{ name: 'MODE', value: 'on' }] }] } })
  ids.scale = await as('token-dev', 'PATCH', sets + '/web', { spec: { replicas: 100 } }, 'application/merge-patch+json')
  ids.delete = await as('token-dev', 'DELETE', pods + '/web-1')
  ids.refused = await as('token-dev', 'GET', '/api/v1/namespaces/shop/secrets')
  assert.deepEqual([ids.scale.code, ids.delete.code, ids.refused.code], [200, 200, 403])
})
after(async () => {
  await quit()
  await server.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('R13: why was that ReplicaSet scaled to 100?', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui' + sets + '/web')
  await page.keyboard.press('h')
  await page.waitForSelector('[data-testid=history] > li')
  const newest = await page.textContent('[data-testid=history] > li >> nth=0')
  assert.match(newest, /updated.*by\s+dev\s+patch/s)
  assert.match(newest, /spec\.replicas\s*3\s*→\s*100/)
  await page.click('[data-testid=history] > li >> nth=0 >> text=patch')
  await page.waitForURL('**/ui/requests/' + ids.scale.id)
  const access = await page.textContent('[data-testid=access]')
  assert.match(access, /RoleBinding "devs\/shop" of Role "scaler" to Group "developers"/)
  assert.match(access, /replicasets/)
  const steps = await page.textContent('[data-testid=stages]')
  for (const step of ['Authenticated', 'Authorized', 'Patch applied', 'Object validated', 'Object stored in database']) assert.match(steps, new RegExp(step))
  assert.ok(await page.locator('.stages rect').count() > 4)
  // Back to what it was.
  await page.goto(server.url + '/ui' + sets + '/web?tab=history')
  await page.click('[data-testid=history] > li >> nth=1 >> [data-testid=restore]')
  await until(async () => (await server.api('GET', sets + '/web')).spec.replicas === 3)
  await until(async () => /100\s*→\s*3/.test(await page.textContent('[data-testid=history]').catch(() => '')))
  await done(c)
})

test('R13: who deleted that Pod, and what changed meanwhile?', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/changes?ns=shop&since=1h')
  const changes = await page.textContent('[data-testid=changes]')
  assert.match(changes, /deleted\s*pods shop\/web-1\s*by\s*dev/)
  assert.match(changes, /spec\.replicas/)
  await page.click('[data-testid=changes] >> text=pods shop/web-1 >> nth=0')
  await page.waitForSelector('text=This object is not there any more')
  assert.match(await page.textContent('[data-testid=history] > li >> nth=0'), /deleted\s*by\s*dev\s*delete/)
  await page.click('[data-testid=history] > li >> nth=0 >> [data-testid=restore]')
  const pod = await until(() => server.api('GET', pods + '/web-1').catch(() => null))
  assert.equal(pod.spec.containers[0].env[0].value, 'on')
  await page.goto(server.url + '/ui/audit?verb=delete&resource=pods')
  const row = page.locator('[data-testid=requests] tbody tr')
  await until(async () => { await page.reload(); return await row.count() > 0 })
  assert.match(await row.first().textContent(), /dev/)
  await row.first().locator('a').first().click()
  await page.waitForURL('**/ui/requests/' + ids.delete.id)
  await done(c)
})

test('R24: why was I refused? I see my own requests, and what is missing', async () => {
  const c = await context()
  const page = await login(server, c, 'token-dev', '/ui/requests?what=refused')
  assert.match(await page.textContent('main'), /You see your own requests/)
  const row = page.locator(`[data-id="${ids.refused.id}"]`)
  assert.match(await row.textContent(), /list.*secrets.*403/s)
  await row.locator('a').first().click()
  await page.waitForSelector('[data-testid=rule]')
  assert.match(await page.textContent('[data-testid=message]'), /cannot list resource "secrets"/)
  assert.match(await page.textContent('[data-testid=rule]'), /resources:\s*- secrets\s*verbs:\s*- list/)
  assert.match(await page.textContent('[data-testid=access]'), /cluster-admin/)
  // Others' are not there.
  await page.goto(server.url + '/ui/requests?what=writes')
  const who = await page.locator('[data-testid=requests] tbody tr td:nth-child(2)').allTextContents()
  assert.ok(who.length > 0 && who.every((w) => w.trim() === 'dev'), who.join())
  await done(c)
})

test('R24: the audit journal is asked by user, verb, object, status and time, from each object too', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/audit')
  const found = () => page.locator('[data-testid=requests] tr[data-id]').evaluateAll((rows) => rows.map((r) => r.dataset.id))
  const ask = async (fields) => {
    await page.goto(server.url + '/ui/audit')
    for (const [name, value] of Object.entries(fields)) await page.fill(`form.filter [name=${name}]`, value)
    await page.click('form.filter button.primary')
    await page.waitForURL(/audit\?/)
    return (await found()).filter((id) => Object.values(ids).some((i) => i.id === id))
  }
  const is = async (fields, ...want) => assert.deepEqual((await ask(fields)).sort(), want.map((i) => i.id).sort(), JSON.stringify(fields))
  await until(async () => (await ask({ user: 'dev' })).length === 3) // an event takes a moment to get there
  await is({ user: 'admin', namespace: 'shop' })
  await is({ verb: 'delete' }, ids.delete)
  await is({ resource: 'replicasets.apps' }, ids.scale)
  await is({ resource: 'replicasets.batch' })
  await is({ namespace: 'shop', name: 'web-1' }, ids.delete)
  await is({ user: 'dev', code: '403' }, ids.refused)
  await is({ user: 'dev', code: '2xx' }, ids.scale, ids.delete)
  await is({ user: 'dev', since: '1h' }, ids.scale, ids.delete, ids.refused)
  await is({ user: 'dev', until: '1h' })
  await ask({ code: 'often' })
  assert.match(await page.textContent('[role=alert]'), /"often" is no status/)
  for (const tab of ['history', 'access']) {
    await page.goto(`${server.url}/ui${sets}/web?tab=${tab}`)
    await page.click('[data-testid=audit-of]')
    await page.waitForURL(/resource=replicasets.apps/)
    const all = await found()
    assert.ok(all.includes(ids.scale.id) && !all.includes(ids.delete.id), `from ${tab}`)
  }
  await done(c)
})

test('R24: requests come in live, and pages of the past have no frills that break', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/requests?what=writes&q=live-one')
  await live(page)
  await server.create('/api/v1/namespaces/shop/configmaps', { metadata: { name: 'live-one' } })
  const r = await as('token-admin', 'PATCH', '/api/v1/namespaces/shop/configmaps/live-one', { data: { a: 'b' } }, 'application/merge-patch+json')
  await page.waitForSelector(`[data-id="${r.id}"]`)
  for (const path of ['/ui/requests/nobody', '/ui/changes?since=yesterday', '/ui/audit?since=x', '/ui/version?path=/ui/api/v1/pods&version=1', '/ui/requests?what=nonsense']) {
    const answer = await page.goto(server.url + path)
    assert.ok(answer.status() >= 400 && answer.status() < 500, path + ' ' + answer.status())
  }
  await done(c)
})

test('R24: audit events come in live, with their objects and without secrets', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/audit?namespace=shop&q=audited')
  await live(page)
  assert.match(await page.textContent('main'), /Nothing\./)
  await server.create('/api/v1/namespaces/shop/configmaps', { metadata: { name: 'audited' }, data: { tricky: '</code><script>alert(1)</script>' } })
  const map = page.locator('[data-testid=bodies]').first()
  await map.waitFor({ state: 'attached' })
  assert.ok(await map.locator('pre').first().isHidden(), 'objects are folded')
  await map.locator('summary', { hasText: 'Response object' }).click()
  assert.match(await map.locator('pre').last().innerText(), /tricky: <\/code><script>alert\(1\)<\/script>/)
  await server.create('/api/v1/namespaces/shop/secrets', { metadata: { name: 'audited-secret' }, stringData: { password: 'hush-hush' } })
  await page.locator('[data-testid=requests] tr[data-id]', { hasText: 'audited-secret' }).waitFor()
  // What was unfolded stays so when something new comes in.
  const unfolded = page.locator('[data-testid=bodies]').last().locator('details').last()
  assert.equal(await unfolded.getAttribute('open'), '')
  const shown = await page.content()
  assert.ok(!shown.includes('hush-hush') && !shown.includes('aHVzaC1odXNo') && shown.includes('(hidden)'))
  await page.locator('[data-testid=requests] tr[data-id]', { hasText: 'audited-secret' }).locator('a').first().click()
  await page.waitForURL('**/ui/requests/**')
  const life = await page.content()
  assert.match(await page.textContent('main'), /Level RequestResponse/)
  assert.ok(!life.includes('hush-hush') && !life.includes('aHVzaC1odXNo') && life.includes('(hidden)'))
  await done(c)
})
