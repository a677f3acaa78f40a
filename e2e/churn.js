// Changes the status of pods, as many times a second as one asks for: a process
// of its own, so that it does not hold up the test that looks on.
// It reads { url, pods: [{ namespace, name, container }], rate, seconds } and
// prints how many changes there were.
import { Agent, request } from 'node:http'

let input = ''
for await (const b of process.stdin) input += b
const { url, pods, rate, seconds } = JSON.parse(input)
const agent = new Agent({ keepAlive: true, maxSockets: 32 })

const change = ({ namespace, name, container }, n) => new Promise((ok, fail) => {
  const body = JSON.stringify({ status: { containerStatuses: [{ name: container, restartCount: n }] } })
  const r = request(`${url}/api/v1/namespaces/${namespace}/pods/${name}/status`, {
    method: 'PATCH', agent, headers: { Authorization: 'Bearer token-admin', 'Content-Type': 'application/strategic-merge-patch+json', 'Content-Length': Buffer.byteLength(body) },
  }, (answer) => { answer.resume(); answer.on('end', () => (answer.statusCode < 400 ? ok() : fail(new Error(`${name} was answered with ${answer.statusCode}`)))) })
  r.on('error', fail)
  r.end(body)
})

const began = Date.now()
let n = 0, failed = 0
await Promise.all(Array.from({ length: 32 }, async () => {
  for (;;) {
    const now = Date.now() - began
    if (now >= seconds * 1000) return
    const due = n / rate * 1000
    if (due > now) {
      await new Promise((ok) => setTimeout(ok, due - now))
      continue
    }
    const mine = n++
    await change(pods[mine % pods.length], 1000 + mine).catch((e) => { failed++; console.error(e.message) })
  }
}))
agent.destroy()
console.log(n)
if (failed > n / 100) process.exitCode = 1 // a loaded machine may drop a few
