// Custom resources have pages as built-in ones have, as soon as they are defined.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { crd } from '../fixture.js'
import { Server, context, done, live, login, quit, until } from '../harness.js'

let server
before(async () => { server = await Server.start() })
after(async () => {
  await quit()
  await server.stop()
})

const databases = '/apis/example.com/v1/namespaces/default/databases'

test('R11: a kind that was defined a moment ago has a list with its columns, and pages of objects', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/')
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('databases', 'Database'))
  await until(() => server.api('GET', databases).then(() => true, () => false))
  await server.create(databases, { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name: 'orders', namespace: 'default' }, spec: { size: 3, engine: 'postgres' } })
  await page.goto(server.url + '/ui' + databases)
  await live(page)
  assert.deepEqual((await page.$$eval('table.list thead th a', (l) => l.map((a) => a.textContent))).slice(0, 3), ['Name', 'Size', 'Phase'])
  const row = () => page.$eval('[data-body] tr[data-uid]', (tr) => [...tr.cells].slice(1, 4).map((td) => td.innerText.trim())).catch(() => [])
  await until(async () => (await row()).slice(0, 2).join() === 'orders,3')
  // A change of the status reaches the list as it happens.
  await server.api('PATCH', `${databases}/orders/status`, { status: { phase: 'Ready' } }, 'application/merge-patch+json')
  await until(async () => /^orders,3,\W*Ready$/.test((await row()).join()))
  await page.goto(server.url + '/ui' + databases + '/orders')
  await live(page)
  assert.match(await page.innerText('#object-body'), /Size\s+3/)
  await server.api('PATCH', `${databases}/orders`, { spec: { size: 5 } }, 'application/merge-patch+json')
  await until(async () => /Size\s+5/.test(await page.innerText('#object-body')))
  await done(c)
})
