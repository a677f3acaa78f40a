// pilothouse proxy: the API and the dashboard on a port of one's own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Server, context, done, live, quit, until } from '../harness.js'

const binary = process.env.PILOTHOUSE ?? new URL('../../bin/pilothouse', import.meta.url).pathname
let server, proxy, url
before(async () => {
  server = await Server.start()
  proxy = spawn(binary, ['proxy', '--port', '0', '--kubeconfig', join(server.dir, 'data', 'admin.kubeconfig')], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const s of [proxy.stdout, proxy.stderr]) s.on('data', (b) => { output += b })
  url = await until(() => output.match(/Starting to serve on (\S+)/)?.[1])
  url = 'http://' + url
})
after(async () => {
  await quit()
  proxy?.kill('SIGTERM')
  await server?.stop()
})

test('the API is there without authentication, for hosts that are accepted', async () => {
  const list = await (await fetch(url + '/api/v1')).json()
  assert.equal(list.kind, 'APIResourceList')
  const { request } = await import('node:http')
  const ask = (path, headers) => new Promise((ok, no) => request(url + path, { headers }, (r) => { r.resume(); ok(r.statusCode) }).on('error', no).end())
  assert.equal(await ask('/api/v1/namespaces', {}), 200)
  assert.equal(await ask('/api/v1/namespaces', { Host: 'evil.example' }), 403)
  assert.equal(await ask('/api/v1/namespaces', { Origin: 'http://evil.example' }), 403)
  assert.equal(await ask('/api/v1/namespaces/default/pods/p/exec', {}), 403)
})

test('R22: a browser sees the explorer at the documents, and the live dashboard', async () => {
  const c = await context()
  const p = await c.newPage()
  await p.goto(url + '/openapi/v2')
  assert.equal(p.url(), url + '/ui/explore')
  assert.equal(await p.textContent('.who'), 'kubernetes-admin')
  await p.goto(url + '/ui/api/v1/namespaces')
  await live(p)
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'through-the-proxy' } })
  await p.waitForSelector('tr >> text=through-the-proxy')
  const document = await p.evaluate(async () => (await (await fetch('/openapi/v2')).json()).swagger)
  assert.equal(document, '2.0')
  await done(c)
})
