// R24: what stays when a session ends, what a browser holds of a credential, and
// what it is to act as someone else: in pages, logs, shells and requests.
import assert from 'node:assert/strict'
import { createSign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Provider, Server, context, done, live, login, quit, unhurried, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'

const wait = 60_000
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const pods = '/ui/api/v1/namespaces/shop/pods'

let server, node, provider, key, real, leaving
before(async () => {
  provider = await Provider.start()
  server = await Server.start(...provider.flags)
  node = await Kubelet.start(server)
  await server.create('/api/v1/namespaces', { metadata: { name: 'shop' } })
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'default' } }).catch(() => {})
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'chief' } })
  const bind = (name, role, subject) => server.create(`${rbac}/clusterrolebindings`, { metadata: { name }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role }, subjects: [subject] })
  await bind('chief', 'cluster-admin', { kind: 'ServiceAccount', namespace: 'shop', name: 'chief' })
  await bind('ann', 'view', { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'oidc:ann' })
  await bind('lookers', 'view', { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'lookers' })
  await node.pod('shop', 'web')
  node.log('shop/web/main', ['line 1', 'line 2'])
  await server.create('/api/v1/namespaces/shop/configmaps', { metadata: { name: 'settings' }, data: { level: 'low' } })
  key = readFileSync(`${server.dir}/data/pki/sa.key`)
  real = await tokenOf('chief')
  leaving = leave()
})
after(async () => {
  await leaving?.catch(() => {})
  await quit()
  await node?.stop()
  await server?.stop()
  provider?.stop()
})

const tokenOf = async (name) => (await server.create(`/api/v1/namespaces/shop/serviceaccounts/${name}/token`, { spec: {} })).status.token

// leave logs in by a token, has it revoked, and tells how long the session was there
// after that. It takes its minute while the other tests run.
async function leave() {
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'leaver' } })
  const c = await context()
  await login(server, c, await tokenOf('leaver'), '/ui/whoami')
  const [cookie] = (await c.cookies()).filter((k) => k.name.startsWith('pilothouse-' + server.port))
  await done(c)
  const asked = () => fetch(server.url + '/ui/session', { headers: { 'X-Pilothouse': 'test', Cookie: `${cookie.name}=${cookie.value}` } }).then((r) => r.status)
  assert.equal(await asked(), 204)
  await server.api('DELETE', '/api/v1/namespaces/shop/serviceaccounts/leaver')
  const began = Date.now()
  while (await asked() !== 401) {
    assert.ok(Date.now() - began < 240_000, 'the session goes on')
    await new Promise((ok) => setTimeout(ok, 1000))
  }
  return Date.now() - began
}

// lasting is a service account's token with another end.
function lasting(token, seconds) {
  const [head, body] = token.split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url'))
  const now = Math.floor(Date.now() / 1000)
  const text = `${head}.${Buffer.from(JSON.stringify({ ...claims, iat: now, nbf: now, exp: now + seconds })).toString('base64url')}`
  const algorithm = JSON.parse(Buffer.from(head, 'base64url')).alg
  const sign = createSign('SHA256').update(text)
  return `${text}.${sign.sign(algorithm.startsWith('ES') ? { key, dsaEncoding: 'ieee-p1363' } : key).toString('base64url')}`
}

const screen = (p) => p.$$eval('.dockpane:not([hidden]) .xterm-rows > div', (l) => l.map((e) => e.textContent.replaceAll('\u00a0', ' ').trimEnd()).join('\n').trim())
const says = (p, what) => until(async () => { const s = await screen(p); return typeof what === 'string' ? s.includes(what) : what.test(s) }, wait)

async function shell(p) {
  await p.goto(`${server.url}${pods}/web`)
  await live(p)
  await p.keyboard.press('s')
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await says(p, '/ #')
}

// working is somebody with a session of so many seconds who has a shell, a draft,
// and in other tabs a list, a log and a watch; null when that took too long.
async function working(seconds) {
  const c = await context()
  await unhurried(c)
  const opening = open(c, lasting(real, seconds))
  opening.catch(() => {}) // too late, its context is closed
  let timer
  const late = new Promise((ok) => { timer = setTimeout(ok, (seconds - 2) * 1000, null) })
  const all = await Promise.race([opening, late])
  clearTimeout(timer)
  if (!all) await c.close()
  return all
}

async function open(c, token) {
  const p = await login(server, c, token, '/ui/whoami')
  assert.match(await p.textContent('.who'), /system:serviceaccount:shop:chief/)
  await shell(p)
  await p.keyboard.type('echo before\r')
  await says(p, /^before$/m)
  const shells = new Set(node.open)
  await p.evaluate((to) => { const a = document.createElement('a'); a.href = to; document.querySelector('#main').append(a); a.click() }, '/ui/api/v1/namespaces/shop/configmaps/settings?edit=1')
  await p.waitForSelector('#main .cm-content')
  await p.click('#main .cm-content')
  await p.keyboard.press('Control+End')
  await p.keyboard.insertText('# my draft\n')
  const tab = async (path) => { const t = await c.newPage(); await t.goto(server.url + path); await live(t); return t }
  const list = await tab(pods), log = await tab(`${pods}/web?tab=logs&since=all`), feed = await tab('/ui/api/v1/namespaces/shop/configmaps?view=watch')
  await until(async () => /line 2/.test(await log.innerText('#main [data-log=lines]')), wait)
  return { c, p, list, log, feed, shells }
}

test('R24: a session that expires is gone on with in place: page, draft, list, log, watch and shell', async () => {
  let all
  for (let seconds = 25; !all; seconds *= 3) {
    assert.ok(seconds < 1000)
    all = await working(seconds) // a slow machine needs longer
  }
  const { c, p, list, log, feed, shells } = all
  const tabs = [p, list, log, feed]
  await until(async () => (await p.evaluate(async () => (await fetch('/ui/session', { headers: { 'X-Pilothouse': 'test' } })).status)) === 401, 10 * wait)
  for (const t of tabs) {
    await t.waitForSelector('#login[open]', { timeout: wait })
    assert.equal(await t.getAttribute('#live', 'data-state'), 'off')
  }
  // Meanwhile things happen.
  node.log('shop/web/main', ['line 3'])
  await node.pod('shop', 'meanwhile')
  await server.create('/api/v1/namespaces/shop/configmaps', { metadata: { name: 'meanwhile' } })
  const address = p.url()
  await p.fill('#again', 'nobody')
  await p.click('#login button.primary')
  await p.waitForSelector('#login .problem:not([hidden])')
  await p.fill('#again', real)
  await p.click('#login button.primary')
  await p.waitForSelector('#login', { state: 'detached' })
  // One login is enough, for the tabs that are looked at.
  for (const t of [list, log, feed, p]) {
    await t.bringToFront()
    await t.waitForSelector('#login', { state: 'detached', timeout: wait })
  }
  for (const t of [list, log, feed]) await live(t)
  await list.waitForSelector('[data-body] >> text=meanwhile')
  await until(async () => /line 1\s+.*line 2\s+.*line 3/s.test(await log.innerText('#main [data-log=lines]')), wait)
  assert.equal((await log.innerText('#main [data-log=lines]')).match(/line 2/g).length, 1, 'no line twice')
  await until(async () => /meanwhile/.test(await feed.innerText('#main')), wait)
  assert.equal(p.url(), address)
  await p.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  assert.ok([...node.open].every((s) => shells.has(s)), 'the same shell')
  await p.click('.term')
  await p.keyboard.type('echo after\r')
  await says(p, /^before\n[^]*^after$/m)
  assert.match(await p.inputValue('#main textarea[name=text]'), /# my draft/)
  await p.click('#main [data-save]')
  await p.waitForSelector('[data-testid=review], [data-testid=unchanged], .banner', { timeout: wait })
  await done(c)
})

test('R24: in the dialog one may log in at a provider, in another window', async () => {
  const c = await context({ hosts: ['localhost'], ignoreHTTPSErrors: true })
  const p = await c.newPage()
  await until(async () => { await p.goto(server.url + '/login?next=' + encodeURIComponent(pods)); return p.isVisible('text=Log in with') }, wait)
  await p.click('text=Log in with')
  await p.click('text=ann')
  await p.waitForURL('**' + pods)
  await live(p)
  await server.api('DELETE', '/api/v1/namespaces/shop/pods/gone').catch(() => {})
  const admin = await context()
  const a = await login(server, admin, 'token-admin', '/ui/sessions')
  await a.click('tr[data-user="oidc:ann"] button[name=end]')
  await p.waitForSelector('#login[open] .ways a')
  const [other] = await Promise.all([c.waitForEvent('page'), p.click('#login .ways a')])
  await other.click('text=ann')
  await other.waitForURL('**/ui/whoami')
  await p.bringToFront()
  await p.waitForSelector('#login', { state: 'detached', timeout: wait })
  await live(p)
  assert.ok(p.url().endsWith(pods))
  // Somebody else does not get what is on the page of the one before.
  await a.goto(server.url + '/ui/sessions')
  await a.click('tr[data-user="oidc:ann"] button[name=end]')
  await p.waitForSelector('#login[open]')
  await p.evaluate(() => { window.same = true })
  await p.fill('#again', 'token-dev')
  await p.click('#login button.primary')
  await p.waitForFunction(() => !window.same && document.querySelector('.who')?.textContent.includes('dev'))
  await done(admin)
  await done(c)
})

test('R24: a client certificate logs in again in the dialog', async () => {
  const origin = `https://127.0.0.1:${server.secure}`
  const kubeconfig = readFileSync(`${server.dir}/data/admin.kubeconfig`, 'utf8')
  const pem = (field) => Buffer.from(kubeconfig.match(new RegExp(field + ': (\\S+)'))[1], 'base64')
  const c = await context({ ignoreHTTPSErrors: true, clientCertificates: [{ origin, cert: pem('client-certificate-data'), key: pem('client-key-data') }] })
  const p = await c.newPage()
  await p.goto(origin + '/login?next=' + encodeURIComponent(pods))
  await p.click('text=Log in as kubernetes-admin')
  await live(p)
  const admin = await context()
  const a = await login(server, admin, 'token-admin', '/ui/sessions')
  await a.click('tr[data-user="kubernetes-admin"] button[name=end]')
  await p.click('#login .ways button:text("Log in as kubernetes-admin")')
  await p.waitForSelector('#login', { state: 'detached', timeout: wait })
  await live(p)
  await done(admin)
  await done(c)
})

test('R24: no credential is in an address, a store or anything that the server sends', async () => {
  const c = await context()
  const seen = []
  c.on('request', (r) => seen.push(['the address', r.url()]))
  c.on('response', async (r) => seen.push([r.url(), await r.text().catch(() => '')]))
  const p = await login(server, c, real, '/ui/whoami')
  const [cookie] = (await c.cookies()).filter((k) => k.name.startsWith('pilothouse-' + server.port))
  assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict')
  const held = async (where) => {
    const stores = await p.evaluate(async () => {
      const read = async ({ name }) => {
        const db = await new Promise((ok, no) => { const r = indexedDB.open(name); r.onsuccess = () => ok(r.result); r.onerror = no })
        return [...db.objectStoreNames].length && Promise.all([...db.objectStoreNames].map((s) => new Promise((ok) => { const r = db.transaction(s).objectStore(s).getAll(); r.onsuccess = () => ok(r.result) })))
      }
      return JSON.stringify({ html: document.documentElement.outerHTML, local: { ...localStorage }, session: { ...sessionStorage }, cookie: document.cookie, name: window.name, state: history.state, href: location.href, stored: await Promise.all((await indexedDB.databases()).map(read)), caches: await globalThis.caches?.keys() })
    })
    seen.push([where, stores])
  }
  for (const path of ['/ui/', '/ui/whoami', '/ui/sessions', '/ui/access', '/ui/requests?what=all', '/ui/audit', pods, `${pods}/web?tab=yaml`, '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps', '/ui/api/v1/namespaces/shop/configmaps/settings?edit=1']) {
    await p.goto(server.url + path)
    await held('a store on ' + path)
  }
  await p.waitForSelector('#main .cm-content')
  await p.click('#main .cm-content')
  await p.keyboard.insertText('# a draft\n')
  await until(() => p.evaluate(() => Object.keys(localStorage).some((k) => k.startsWith('draft '))))
  await shell(p)
  await held('a store with a draft and a shell')
  const secrets = [real, real.split('.')[2], cookie.value]
  for (const [where, text] of seen) for (const s of secrets) assert.ok(!text.includes(s), `a credential is in ${where}`)
  assert.ok(seen.length > 40)
  await done(c)
})

test('R24: who views as someone else does so in lists, logs, shells and requests, in every tab, until it ends', async () => {
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/whoami')
  await shell(p)
  await p.keyboard.type('echo mine\r')
  await says(p, /^mine$/m)
  const tab = await c.newPage()
  await tab.goto(server.url + '/ui/api/v1/secrets')
  await live(tab)
  const draft = await c.newPage()
  await draft.goto(server.url + '/ui/api/v1/namespaces/shop/configmaps/settings?edit=1')
  await draft.waitForSelector('#main .cm-content')
  await draft.goto(server.url + pods)
  await live(draft)
  // As a group, from a page of its own.
  const who = await c.newPage()
  await who.goto(server.url + '/ui/subject?kind=Group&name=lookers')
  await who.click('button:text("View as lookers")')
  await who.waitForSelector('[data-testid=as]')
  assert.match(await who.textContent('[data-testid=as]'), /somebody of the groups lookers/)
  assert.match(await who.innerText('main'), /lookers/)
  // The other tabs follow: what may not be seen goes, and the banner is there.
  await tab.waitForSelector('[data-testid=fault]', { timeout: wait })
  assert.match(await tab.textContent('[data-testid=fault]'), /"somebody" cannot list resource "secrets"/)
  await tab.waitForSelector('[data-testid=as]')
  await draft.waitForSelector('[data-testid=as]', { timeout: wait })
  await live(draft)
  assert.ok(await draft.isVisible('[data-body] >> text=web'), 'a viewer sees pods')
  // A shell of before is not there for somebody, and a new one is refused.
  await says(p, 'opened by another identity')
  await p.waitForSelector('.docktab[data-state=taken]', { timeout: wait })
  const q = await c.newPage()
  await q.goto(`${server.url}${pods}/web`)
  await q.waitForSelector('[data-testid=as]')
  await q.evaluate(() => sessionStorage.setItem('dock', JSON.stringify({ active: 0, tabs: [{ kind: 'shell', title: 'web', target: { ns: 'shop', pod: 'web', container: 'main' } }] })))
  await q.reload()
  await says(q, /User "somebody" cannot (get|create) resource "pods\/exec"/)
  // Logs are for viewers, and read as one: the audit journal has both names.
  await q.goto(`${server.url}${pods}/web?tab=logs&since=all`)
  await until(async () => /line 1/.test(await q.innerText('#main [data-log=lines]')), wait)
  // Requests of the explorer.
  await q.goto(server.url + '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/secrets')
  await q.fill('[name="p.namespace"], [name=namespace]', 'shop')
  await q.click('[data-testid=send], button:text("Send")')
  await until(async () => /"?somebody"? cannot list|User \\?"somebody\\?" cannot list/.test(await q.innerText('#main')), wait)
  await q.waitForSelector('[data-testid=as]')
  // The banner stays from page to page, also in the dock's own window and on errors.
  for (const path of ['/ui/', '/ui/explore', '/ui/nowhere', '/ui/window', '/ui/api/v1/nodes']) {
    await q.goto(server.url + path)
    assert.ok(await q.isVisible('[data-testid=as]'), path)
  }
  const asked = await until(async () => (await server.api('GET', '/debug/audit?user=somebody&limit=5')).events.find((e) => e.responseStatus?.code === 403))
  assert.equal(asked.user.username, 'admin')
  assert.equal(asked.impersonatedUser.username, 'somebody')
  // Oneself again, and so is the shell.
  await q.click('[data-testid=as] button')
  await q.waitForURL('**/ui/whoami')
  await until(async () => !await tab.isVisible('[data-testid=as]'), wait)
  await tab.waitForSelector('[data-body]', { state: 'attached', timeout: wait })
  assert.ok(await tab.isHidden('[data-testid=fault]'))
  await p.bringToFront()
  await until(async () => { await p.click('.term'); await p.keyboard.press('Enter'); return p.$('.docktab[data-state=open]') }, wait)
  await says(p, /^mine$/m)
  await done(c)
})

test('R24: text that is not saved stays when the session acts as someone else', async () => {
  const c = await context()
  const p = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/shop/configmaps/settings?edit=1')
  await p.waitForSelector('#main .cm-content')
  await p.click('#main .cm-content')
  await p.keyboard.insertText('# unsaved\n')
  // The editor has no live part; the dock's log has.
  await p.evaluate(() => sessionStorage.setItem('dock', JSON.stringify({ active: 0, tabs: [{ kind: 'logs', title: 'web', href: '/ui/logs?of=pods/shop/web' }] })))
  await until(() => p.evaluate(() => Object.keys(localStorage).some((k) => k.startsWith('draft '))))
  await p.reload()
  await p.waitForSelector('#main .cm-content')
  await p.click('#main .cm-content')
  await p.keyboard.insertText('# more\n')
  await live(p)
  const who = await c.newPage()
  await who.goto(server.url + '/ui/whoami')
  await who.fill('[name=user]', 'dev')
  await who.click('text="View as"')
  await who.waitForSelector('[data-testid=as]')
  await p.waitForSelector('[data-testid=as]', { timeout: wait })
  assert.match(await p.inputValue('#main textarea'), /# more/)
  await done(c)
})

test('R24: logging out in one tab ends the others, and one user is not another', async () => {
  const c = await context(), other = await context()
  const p = await login(server, c, 'token-admin', pods), q = await login(server, other, 'token-dev', '/ui/whoami')
  await live(p)
  const second = await c.newPage()
  await second.goto(server.url + '/ui/api/v1/nodes')
  await live(second)
  await second.click('summary.who')
  await second.click('text=Log out')
  await p.waitForSelector('#login[open]')
  await q.reload()
  assert.match(await q.textContent('.who'), /dev/)
  assert.match(await q.innerText('main'), /dev/)
  await done(other)
  await done(c)
})

test('R24: a token that is revoked ends the session within a minute', async () => {
  assert.ok(await leaving < 100_000, 'it was asked about every second')
})
