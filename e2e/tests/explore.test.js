// R22 and R23: the API explorer, trying operations, and the raw watch.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cluster } from '../fixture.js'
import { Server, context, done, figure, live, login, quiet, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 30)
})
after(async () => {
  await quit()
  await server.stop()
})

test('the index lists the API, and a field is a few clicks away', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore')
  const first = Date.now()
  const answer = await page.goto(server.url + '/ui/explore')
  figure('R22 explorer index', Date.now() - first, 300, { slack: 30 })
  assert.ok((await answer.body()).length > 10_000)
  await page.click('.api >> text=deployments')
  for (const [i, field] of ['spec', 'template', 'spec', 'containers'].entries()) {
    await page.click(`.fields td:first-child a >> text="${field}"`)
    await page.waitForURL((u) => u.searchParams.get('field')?.split('.').length === i + 1)
  }
  assert.match(page.url(), /field=spec.template.spec.containers/)
  assert.match(await page.textContent('.fields'), /livenessProbe/)
  assert.match(await page.textContent('.command'), /kubectl explain deployments.spec.template.spec.containers/)
  const answer2 = await page.goto(page.url())
  assert.equal(answer2.status(), 200)
  await done(c)
})

test('a schema that holds itself opens level by level', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore/kind?gv=apis/apiextensions.k8s.io/v1&kind=CustomResourceDefinition&field=spec.versions.schema.openAPIV3Schema')
  for (let i = 0; i < 4; i++) {
    await page.click('.fields >> text="not"')
    await page.waitForURL((u) => u.searchParams.get('field').endsWith('.not'.repeat(i + 1)))
  }
  await done(c)
})

test('a search finds paths, kinds, fields and descriptions', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore?q=terminationGracePeriodSeconds')
  assert.match(await page.textContent('[data-testid=hits]'), /PodSpec.terminationGracePeriodSeconds/)
  await page.fill('#filter', 'back-off')
  await page.press('#filter', 'Enter')
  await page.waitForURL(/back-off/)
  await page.fill('#filter', 'podspec')
  await page.press('#filter', 'Enter')
  await page.waitForURL(/podspec/)
  await page.click('[data-testid=hits] >> text=PodSpec >> nth=0')
  assert.match(await page.textContent('.fields'), /containers/)
  await done(c)
})

test('an operation is tried without effect, then for real', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps')
  await page.fill('textarea[name=body]', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tried}\ndata: {a: b}\n')
  await page.click('button[value=dry]')
  await page.waitForSelector('[data-testid=result]')
  assert.match(await page.textContent('[data-testid=result]'), /201 Created/)
  assert.match(await page.textContent('[data-testid=result]'), /dryRun=All/)
  assert.match(await page.textContent('[data-testid=result]'), /curl -H/)
  await assert.rejects(server.api('GET', '/api/v1/namespaces/default/configmaps/tried'))
  await page.click('button[value=send]')
  await until(async () => !/dryRun/.test(await page.textContent('[data-testid=result]')))
  assert.equal((await server.api('GET', '/api/v1/namespaces/default/configmaps/tried')).data.a, 'b')
  await page.goto(server.url + '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/configmaps/{name}')
  await page.fill('[name="p.name"]', 'nothing')
  await page.click('button[value=send]')
  await page.waitForSelector('[data-testid=result]')
  assert.match(await page.textContent('[data-testid=result]'), /404 Not Found/)
  await done(c)
})

test('a watch shows each event and what it changed', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/configmaps?view=watch&q=-l+feed')
  await live(page)
  const path = '/api/v1/namespaces/shop/configmaps'
  await server.create(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'fed', labels: { feed: 'yes' } }, data: { a: 'one' } })
  await page.waitForSelector('[data-type=ADDED] >> text=shop/fed')
  await server.api('PATCH', path + '/fed', { data: { a: 'two' } }, 'application/merge-patch+json')
  await page.waitForSelector('[data-type=MODIFIED]')
  assert.match(await page.textContent('[data-type=MODIFIED]'), /data\.a: one → two/)
  await server.api('DELETE', path + '/fed')
  await page.waitForSelector('[data-type=DELETED]')
  assert.match(await page.textContent('[data-testid=counts]'), /1 ADDED.*1 DELETED.*1 MODIFIED/)
  await done(c)
})

test('the editor completes fields and values from the API', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/apply')
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  await page.keyboard.insertText('apiVersion: apps/v1\nkind: Deployment\nspec:\n  ')
  await page.keyboard.press('Control+Space')
  await page.waitForSelector('.cm-tooltip-autocomplete >> text=progressDeadlineSeconds')
  await page.keyboard.type('repl')
  await page.waitForSelector('.cm-tooltip-autocomplete:not(.cm-tooltip-autocomplete-disabled) [aria-selected=true] >> text=replicas')
  await quiet(page) // the editor takes no answer to what has only just been asked
  await page.keyboard.press('Enter')
  await until(async () => /\n {2}replicas: $/.test(await page.inputValue('textarea')))
  await done(c)
})
