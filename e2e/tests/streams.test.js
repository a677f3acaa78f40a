// What idle streams cost the server, and how fast a log goes through it.
import assert from 'node:assert/strict'
import { request } from 'node:https'
import { after, before, test } from 'node:test'
import { Server, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'

let server, node
before(async () => {
  server = await Server.start()
  node = await Kubelet.start(server)
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns' } })
  await server.create('/api/v1/namespaces/ns/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'ns' } }).catch(() => {})
  await node.pod('ns', 'p')
})
after(async () => {
  await node?.stop()
  await server?.stop()
})

// memory is the heap and the stacks of the server after garbage was collected.
async function memory() {
  let least = Infinity
  for (let i = 0; i < 3; i++) {
    await fetch(`${server.url}/debug/pprof/heap?gc=1`, { headers: { Authorization: 'Bearer token-admin' } }).then((r) => r.arrayBuffer())
    const text = await (await fetch(`${server.url}/metrics`, { headers: { Authorization: 'Bearer token-admin' } })).text()
    const of = (name) => Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))[1])
    least = Math.min(least, of('go_memstats_heap_alloc_bytes') + of('go_memstats_stack_inuse_bytes'))
  }
  return least
}

function shake(path) {
  return new Promise((ok, no) => {
    const r = request(`https://127.0.0.1:${server.secure}${path}`, {
      rejectUnauthorized: false, agent: false,
      headers: { Authorization: 'Bearer token-admin', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Protocol': 'v5.channel.k8s.io' },
    })
    r.on('upgrade', (_, socket) => { socket.on('error', () => {}); ok(socket) })
    r.on('response', (a) => no(new Error(`status ${a.statusCode}`)))
    r.on('error', no)
    r.end()
  })
}

const follow = () => new Promise((ok, no) => {
  request(`https://127.0.0.1:${server.secure}/api/v1/namespaces/ns/pods/p/log?follow=true`, { rejectUnauthorized: false, agent: false, headers: { Authorization: 'Bearer token-admin' } }, (r) => {
    r.on('error', () => {})
    r.on('data', () => {})
    ok(r.socket)
  }).on('error', no).end()
})

const n = 500
for (const [what, open] of [['exec', () => shake('/api/v1/namespaces/ns/pods/p/exec?command=sh&stdin=true&stdout=true&tty=true')], ['log', follow]]) {
  test(`${n} idle streams of ${what} cost under 60 KB each`, async () => {
    node.log('ns/p/main', 'hello')
    const warm = await Promise.all(Array.from({ length: 20 }, open))
    for (const s of warm) s.destroy()
    await new Promise((ok) => setTimeout(ok, 1000))
    const before = await memory()
    const sockets = []
    for (let i = 0; i < n; i += 20) sockets.push(...await Promise.all(Array.from({ length: 20 }, open)))
    await new Promise((ok) => setTimeout(ok, 1000))
    let each
    await until(async () => (each = (await memory() - before) / n) < 60 * 1024).catch(() => {}) // what made them goes in a moment
    if (process.env.PROFILE) await fetch(`${server.url}/debug/pprof/heap?gc=1`, { headers: { Authorization: 'Bearer token-admin' } }).then(async (r) => (await import('node:fs')).writeFileSync(`${process.env.PROFILE}-${what}`, Buffer.from(await r.arrayBuffer())))
    if (process.env.PROFILE) await fetch(`${server.url}/debug/pprof/goroutine?debug=1`, { headers: { Authorization: 'Bearer token-admin' } }).then(async (r) => (await import('node:fs')).writeFileSync(`${process.env.PROFILE}-${what}.g`, Buffer.from(await r.arrayBuffer())))
    console.log(`an idle stream of ${what} costs the server ${(each / 1024).toFixed(1)} KB`)
    for (const s of sockets) s.destroy()
    assert.ok(each < 60 * 1024, `${each} bytes`)
  })
}
