// Starts the built binary with a folder of its own and drives a browser on its
// dashboard. Every page is watched: a violation of the content security policy, a
// request to another origin or an error in a script fails the test.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createSecure } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const binary = process.env.PILOTHOUSE ?? new URL('../bin/pilothouse', import.meta.url).pathname
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

const tokens = `token-admin,admin,u-admin,"system:masters"
token-dev,dev,u-dev,"developers"
token-viewer,viewer,u-viewer
token-shopper,shopper,u-shopper
token-nobody,nobody,u-nobody
`

async function freePort() {
  const s = createServer()
  await new Promise((ok) => s.listen(0, '127.0.0.1', ok))
  const { port } = s.address()
  await new Promise((ok) => s.close(ok))
  return port
}

/** Server is a running pilothouse. */
export class Server {
  static async start(...flags) {
    const s = new Server()
    s.flags = flags
    s.dir = mkdtempSync(join(tmpdir(), 'pilothouse-e2e-'))
    writeFileSync(join(s.dir, 'tokens.csv'), tokens)
    s.port = await freePort()
    s.secure = await freePort()
    s.url = `http://127.0.0.1:${s.port}`
    await s.run()
    return s
  }

  async run() {
    this.output = ''
    this.process = spawn(binary, [
      '--data-dir', join(this.dir, 'data'), '--secure-port', String(this.secure), '--dashboard-address', `127.0.0.1:${this.port}`,
      '--token-auth-file', join(this.dir, 'tokens.csv'),
      // A deletion waits long enough for slow machines to undo it.
      '--dashboard-deletion-wait', '3m', ...this.flags,
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    const take = (b) => { this.output += b }
    this.process.stdout.on('data', take)
    this.process.stderr.on('data', take)
    this.ended = new Promise((ok) => this.process.once('exit', ok))
    await until(() => {
      assert.equal(this.process.exitCode, null, this.output)
      return /kubeconfig /.test(this.output)
    })
    this.link = this.output.match(/http:\S+\/login\?token=\S+/)[0]
  }

  async kill() {
    this.process.kill('SIGTERM')
    await this.ended
  }

  async stop() {
    await this.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** api makes one request of the API as the administrator. */
  async api(method, path, body, type = 'application/json') {
    const r = await fetch(this.url + path, {
      method, headers: { Authorization: 'Bearer token-admin', ...(body && { 'Content-Type': type }) }, body: body && JSON.stringify(body),
    })
    const text = await r.text()
    assert.ok(r.ok, `${method} ${path}: ${r.status} ${text}`)
    return JSON.parse(text)
  }

  create(path, body) { return this.api('POST', path, body) }

  /** many runs f for 0..n-1, a few at the same time. */
  async many(n, f, atOnce = 16) {
    let i = 0
    await Promise.all(Array.from({ length: atOnce }, async () => { while (i < n) await f(i++) }))
  }
}

/** until waits for a condition; long, because the machine may have other work. */
export async function until(f, timeout = 60_000) {
  const end = Date.now() + timeout
  for (;;) {
    const v = await f()
    if (v) return v
    if (Date.now() > end) throw new Error(`waited in vain for ${f}, which gave ${JSON.stringify(v)}`)
    await new Promise((ok) => setTimeout(ok, 20))
  }
}

/** peer is a server that the one under test may call, with its certificate: a
 * webhook, an API behind it. */
export async function peer(server, answer) {
  const file = (f) => readFileSync(join(server.dir, 'data', 'pki', f))
  const s = createSecure({ cert: file('apiserver.crt'), key: file('apiserver.key') }, answer)
  await new Promise((ok) => s.listen(0, '127.0.0.1', ok))
  return { port: s.address().port, ca: file('ca.crt').toString('base64'), stop: () => { s.closeAllConnections(); return new Promise((ok) => s.close(ok)) } }
}

/** Provider is a running OpenID Connect provider, on another site than the
 * server: its users are ann, in the group dev, and bob. */
export class Provider {
  static async start() {
    const p = new Provider()
    p.dir = mkdtempSync(join(tmpdir(), 'pilothouse-oidc-'))
    p.ca = join(p.dir, 'ca.crt')
    const program = join(p.dir, 'provider')
    execFileSync('go', ['build', '-o', program, './e2e/oidcprovider'], { cwd: new URL('..', import.meta.url).pathname })
    p.process = spawn(program, ['-ca', p.ca], { stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    p.process.stdout.on('data', (b) => { said += b })
    p.issuer = (await until(() => said.match(/https:\S+/)))[0]
    p.flags = ['--oidc-issuer-url', p.issuer, '--oidc-client-id', 'dashboard', '--oidc-ca-file', p.ca, '--oidc-groups-claim', 'groups', '--oidc-username-prefix', 'oidc:', '--oidc-signing-algs', 'ES256']
    return p
  }

  stop() {
    this.process.stdin.end()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Registry is a running registry with the image of the tests of nodes. */
export class Registry {
  static async start() {
    const r = new Registry()
    r.dir = mkdtempSync(join(tmpdir(), 'pilothouse-registry-'))
    const program = join(r.dir, 'registry')
    const cwd = new URL('..', import.meta.url).pathname
    execFileSync('go', ['build', '-o', program, './e2e/boxregistry'], { cwd })
    r.process = spawn(program, [], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    r.process.stdout.on('data', (b) => { said += b })
    r.image = (await until(() => said.match(/\S+\n/), 300_000))[0].trim()
    return r
  }

  stop() {
    this.process.stdin.end()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  // Other hosts than this machine are not there: what a page needs of them is missing.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost']

/** alone starts a browser of its own that other programs can drive, at port. */
export async function alone() {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'pilothouse-browser-'))
  const c = await chromium.launchPersistentContext(dir, { executablePath: browserPath, headless: true, args: [...args, `--remote-debugging-port=${port}`] })
  return {
    port,
    login: async (server) => (await login(server, c)).close(),
    async close() {
      await c.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

let launched

const launch = () => chromium.launch({ executablePath: browserPath, headless: true, args })

/** Browser tabs share one browser; each test has a context of its own. Its pages,
 * the windows that they open too, may ask 127.0.0.1 and, besides, hosts. Without
 * scripts a page cannot tell of violations, but the browser does, on the console. */
export async function context({ hosts = [], ...options } = {}) {
  const browser = await (launched ??= launch())
  const c = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark', ...options })
  c.setDefaultTimeout(60_000)
  c.faults = []
  if (options.javaScriptEnabled !== false) {
    await c.exposeFunction('reportViolation', (text) => c.faults.push('CSP: ' + text))
    await c.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) => window.reportViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`))
    })
  }
  const asked = (address) => {
    const u = new URL(address)
    if (!['data:', 'blob:', 'about:'].includes(u.protocol) && u.hostname !== '127.0.0.1' && !hosts.includes(u.hostname)) c.faults.push('request to ' + address)
  }
  c.on('request', (r) => asked(r.url()))
  c.on('page', (p) => {
    const close = p.close.bind(p)
    p.close = (options) => ended(close(options))
    p.on('websocket', (s) => asked(s.url()))
    p.on('pageerror', (e) => c.faults.push('script: ' + e.stack))
    p.on('console', (m) => {
      if (m.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(m.text())) c.faults.push('console: ' + m.text())
    })
  })
  return c
}

/** done closes a context and tells what went wrong in it. */
export async function done(c) {
  await ended(c.close())
  assert.deepEqual(c.faults, [])
}

export async function quit() {
  const browser = await launched
  if (browser) await ended(browser.close())
  launched = undefined
}

// ended waits until something of the browser is closed. Chromium on a starved
// machine may never say so: then it is killed, and the next test has another one.
async function ended(closing) {
  let timer
  const late = new Promise((ok) => { timer = setTimeout(ok, 60_000, true) })
  const hangs = await Promise.race([closing, late])
  clearTimeout(timer)
  if (hangs !== true) return
  closing.catch(() => {}) // it was killed
  launched = undefined
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean)
  for (const pid of children) if (/chrom/.test(readFileSync(`/proc/${pid}/comm`, 'utf8'))) process.kill(pid, 'SIGKILL')
}

/** login gives a page that is logged in by token. */
export async function login(server, c, token = 'token-admin', path = '/ui/') {
  const page = await c.newPage()
  await page.goto(`${server.url}/login?next=${encodeURIComponent(path)}`)
  await page.fill('#token', token)
  await page.click('[data-testid=login]')
  await page.waitForURL((u) => u.pathname.startsWith('/ui/'))
  return page
}

/**
 * figure takes down what was measured, beside the goal of the requirement: with
 * FIGURES into that file. With STRICT the goal has to be reached; without, on a
 * machine that may have other work, only a bound that tells broken from slow. Sizes and counts do not depend on the machine: give them no slack.
 */
export function figure(name, value, goal, { slack = 1, unit = 'ms' } = {}) {
  const text = `${name}: ${Math.round(value * 10) / 10} ${unit} (goal ${goal})`
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, text + '\n')
  assert.ok(value <= goal * (process.env.STRICT ? 1 : slack), text)
}

/** quiet waits until nothing on the page has changed for a moment. */
export const quiet = (page, moment = 250) => page.evaluate((moment) => new Promise((ok) => {
  let timer = setTimeout(end, moment)
  const o = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(end, moment) })
  function end() { o.disconnect(); requestAnimationFrame(() => ok()) }
  o.observe(document.documentElement, { subtree: true, childList: true, attributes: true, characterData: true })
}), moment)

/**
 * tasks gives the tasks of a page's main thread while something goes on: for how
 * long each took a processor, and in all, in milliseconds. Other work on the
 * machine makes tasks longer by the clock, but not these times.
 */
export async function tasks(c, page, during) {
  const cdp = await c.browser().newBrowserCDPSession()
  const events = []
  cdp.on('Tracing.dataCollected', (e) => events.push(...e.value))
  await cdp.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['toplevel', 'blink.user_timing'] } })
  await page.evaluate(() => performance.mark('tasks'))
  await during()
  const over = new Promise((ok) => cdp.once('Tracing.tracingComplete', ok))
  await cdp.send('Tracing.end')
  await over
  await cdp.detach()
  const main = events.find((e) => e.name === 'tasks')
  const times = events.filter((e) => e.pid === main.pid && e.tid === main.tid && e.name === 'ThreadControllerImpl::RunTask' && e.tdur).map((e) => e.tdur / 1000)
  return { longest: Math.max(0, ...times), all: times.reduce((a, b) => a + b, 0) }
}

/** here is the address, as the page has it: Playwright hears of it later. */
export const here = (page) => page.evaluate(() => location.href)

/** unhurried lets what is shown for some seconds stay for much longer: a loaded
 * machine may need them for a click. */
export const unhurried = (c) => c.addInitScript(() => {
  const was = setTimeout
  window.setTimeout = (f, ms, ...more) => was(f, ms > 5000 ? ms * 10 : ms, ...more)
})

/** live waits until the page's live parts are. */
export const live = (page) => page.waitForSelector('#live[data-state=live]')

/** steady has the pages of a context note whether their connection was given up,
 * as one is that is silent for five seconds: a starved machine makes it so. What
 * it gives tells whether that was so since the page was loaded. */
export async function steady(c) {
  await c.addInitScript(() => {
    new MutationObserver(() => { window.lost ||= document.querySelector('#live')?.dataset.state === 'lost' }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] })
  })
  return (page) => page.evaluate(() => !window.lost)
}
