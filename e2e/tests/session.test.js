// Logging in and out: what a browser may hold, and what others may do with it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Server, context, done, live, login, quit } from '../harness.js'

let server
before(async () => { server = await Server.start() })
after(async () => {
  await quit()
  await server.stop()
})

test('the link of the start logs in once', async () => {
  const c = await context()
  const page = await c.newPage()
  await page.goto(server.link)
  assert.equal(page.url(), server.url + '/ui/')
  assert.equal(await page.textContent('.who'), 'kubernetes-admin')
  const [cookie] = (await c.cookies()).filter((k) => k.name.startsWith('pilothouse-' + server.port))
  assert.ok(cookie.httpOnly)
  assert.equal(cookie.sameSite, 'Strict')
  const held = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify(localStorage) + document.cookie + location.href)
  assert.ok(!held.includes(cookie.value) && !held.includes(new URL(server.link).searchParams.get('token')))
  const other = await context()
  const second = await other.newPage()
  await second.goto(server.link)
  assert.match(await second.textContent('[data-testid=problem]'), /used or has expired/)
  await done(other)
  await done(c)
})

test('a token logs in, a wrong one does not, and the way leads on', async () => {
  const c = await context()
  const page = await c.newPage()
  await page.goto(server.url + '/ui/api/v1/namespaces?sort=name')
  assert.match(page.url(), /\/login\?next=/)
  await page.fill('#token', 'nobody')
  await page.click('[data-testid=login]')
  assert.match(await page.textContent('[data-testid=problem]'), /does not know/)
  await page.fill('#token', 'token-admin')
  await page.click('[data-testid=login]')
  await page.waitForURL('**/ui/api/v1/namespaces?sort=name')
  assert.ok(!(await page.content()).includes('token-admin'))
  await done(c)
})

test('a session ends at logout, and by another session of the user', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces')
  await live(page)
  const other = await context()
  const second = await login(server, other, 'token-admin', '/ui/sessions')
  await second.click('button[name=end] >> nth=0')
  await page.waitForURL(/\/login/)
  await second.click('summary.who')
  await second.click('text=Log out')
  await second.waitForURL(/\/login/)
  await second.goto(server.url + '/ui/')
  assert.match(second.url(), /\/login/)
  await done(other)
  await done(c)
})

test('who may see little sees why', async () => {
  const c = await context()
  const page = await login(server, c, 'token-dev', '/ui/api/v1/secrets')
  const fault = await page.textContent('[data-testid=fault]')
  assert.match(fault, /dev/)
  assert.match(fault, /list/)
  assert.match(fault, /kubectl create clusterrole NAME --verb=list --resource=secrets/)
  await done(c)
})

test('other pages can do nothing with a session', async () => {
  const c = await context()
  const page = await login(server, c)
  const [cookie] = (await c.cookies()).filter((k) => k.name.startsWith('pilothouse-' + server.port))
  const form = await page.getAttribute('script[data-form]', 'data-form')
  const post = (path, headers, body) => fetch(server.url + path, { method: 'POST', redirect: 'manual', headers: { Cookie: `${cookie.name}=${cookie.value}`, 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body })
  assert.equal((await post('/ui/theme', { Origin: 'http://evil.example' }, `theme=dark&form=${form}`)).status, 403)
  assert.equal((await post('/ui/theme', {}, `theme=dark&form=${form}`)).status, 403)
  assert.equal((await post('/ui/theme', { Origin: server.url }, 'theme=dark&form=x')).status, 403)
  assert.equal((await post('/ui/theme', { Origin: server.url }, `theme=dark&form=${form}`)).status, 303)
  const handshake = (origin) => fetch(server.url + '/ui/live', { headers: { Cookie: `${cookie.name}=${cookie.value}`, Origin: origin, 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version': '13' } }).then((r) => r.status)
  assert.equal(await handshake('http://evil.example'), 403)
  // The session is the dashboard's: the API does not know the cookie.
  assert.notEqual((await fetch(server.url + '/api/v1/secrets', { headers: { Cookie: `${cookie.name}=${cookie.value}` } })).status, 200)
  await done(c)
})

test('paths of the API answer as the API', async () => {
  for (const path of ['/api', '/apis', '/version', '/openapi/v3']) {
    const r = await fetch(server.url + path, { headers: { Authorization: 'Bearer token-admin', Accept: 'text/html,application/json' } })
    assert.ok(r.ok && !r.headers.get('content-type').startsWith('text/html'), path)
  }
  const root = await fetch(server.url + '/', { headers: { Authorization: 'Bearer token-admin' } })
  assert.ok((await root.json()).paths.includes('/api'))
  const browser = await fetch(server.url + '/', { headers: { Accept: 'text/html' }, redirect: 'manual' })
  assert.equal(browser.headers.get('location'), '/ui/')
})
