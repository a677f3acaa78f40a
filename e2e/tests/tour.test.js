// Tours of the dashboard: as users who may little (R24), by its keys (R9), while a
// server behind it is away, and with data that means harm (section 9).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Server, context, done, live, login, peer, quit, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'

let server, kubelet
before(async () => {
  server = await Server.start()
  for (const name of ['shop', 'hush-ns']) await server.create('/api/v1/namespaces', { metadata: { name } })
  kubelet = await Kubelet.start(server)
  await kubelet.pod('shop', 'talker')
  kubelet.log('shop/talker/main', Array.from({ length: 40 }, (_, i) => `line ${i} {"a":1}`))
  const bind = (path, name, user) => server.create('/apis/rbac.authorization.k8s.io/v1' + path, {
    metadata: { name }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  })
  await bind('/clusterrolebindings', 'viewer', 'viewer')
  await bind('/namespaces/shop/rolebindings', 'shopper', 'shopper')
})
after(async () => {
  await quit()
  await kubelet.stop()
  await server.stop()
})

test('section 9: a group whose server is away is named, with why, and all else stays', async (t) => {
  const argo = { name: 'argo', namespace: 'shop', uid: 'argo-1', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
  const list = { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: { resourceVersion: '1' }, columnDefinitions: [{ name: 'Name', type: 'string', format: 'name' }], rows: [{ cells: ['argo'], object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: argo } }] }
  const sea = await peer(server, (q, r) => {
    const path = new URL(q.url, 'https://x').pathname
    const body = path === '/apis/sea.example/v1' ? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'sea.example/v1', resources: [{ name: 'ships', singularName: 'ship', namespaced: true, kind: 'Ship', verbs: ['get', 'list'] }] } : path.endsWith('/ships') ? list : null
    r.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(body ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404, reason: 'NotFound', message: 'not here' }))
  })
  t.after(sea.stop)
  const services = '/apis/apiregistration.k8s.io/v1/apiservices'
  const reg = (group, name, port) => server.create(services, { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1.' + group }, spec: { group, version: 'v1', groupPriorityMinimum: 200, versionPriority: 10, insecureSkipTLSVerify: true, service: { namespace: 'shop', name, port } } })
  await server.create('/api/v1/namespaces/shop/services', { metadata: { name: 'sea' }, spec: { type: 'ExternalName', externalName: 'localhost' } })
  await reg('sea.example', 'sea', sea.port)
  await reg('dead.example', 'nobody-home', 443)
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/resources')
  await until(async () => /dead.example\/v1\s+ServiceNotFound: service\/nobody-home in "shop" is not present/.test(await page.reload().then(() => page.innerText('[data-testid=away]'))))
  const ships = '/ui/apis/sea.example/v1/ships'
  await until(async () => (await page.goto(server.url + ships)).ok())
  await page.waitForSelector('[data-body] >> text=argo')
  await sea.stop()
  await page.waitForSelector('#live[data-state=stale], #live[data-state=lost]')
  await until(async () => (await page.goto(server.url + '/ui/').then(() => page.innerText('#nav'))).includes('sea.example/v1 does not answer'))
  assert.equal((await page.goto(server.url + ships)).status(), 503)
  assert.match(await page.innerText('[data-testid=fault]'), /does not answer.*sea.example\/v1: FailedDiscoveryCheck: .*Try again/s)
  await page.goto(server.url + '/ui/explore')
  assert.match(await page.innerText('[data-testid=away]'), /dead.example.*sea.example/s)
  assert.ok(await page.$('#main >> text=configmaps'))
  await page.press('body', 'Control+k')
  await page.keyboard.insertText('talker')
  await page.waitForSelector('#palette [role=option] >> text=talker')
  await page.waitForSelector('#palette .note >> text=dead.example/v1, sea.example/v1')
  await page.goto(server.url + '/ui/api/v1/namespaces/shop?delete=1')
  assert.match(await page.innerText('[data-testid=unread]'), /dead.example\/v1\s+.*ServiceNotFound/s)
  // Who may not look at APIServices is told the group, and all else is as usual.
  const other = await context()
  const second = await login(server, other, 'token-shopper', '/ui/api/v1/pods')
  await second.waitForSelector('[data-body] >> text=talker')
  assert.match(await second.innerText('#nav'), /dead.example\/v1 does not answer/)
  assert.match(await second.textContent('#namespaces'), /shop/)
  await second.goto(server.url + '/ui/resources')
  assert.match(await second.innerText('[data-testid=away]'), /dead.example\/v1\s+its server does not answer/)
  await done(other)
  for (const group of ['sea.example', 'dead.example']) await server.api('DELETE', `${services}/v1.${group}`)
  await page.goto(server.url + '/ui/resources')
  await page.waitForSelector('[data-testid=away]', { state: 'detached' })
  await done(c)
})

// The pages of a tour; what is not there for a user says why.
const pod = '/ui/api/v1/namespaces/shop/pods/talker'
const tour = ['/ui/', '/ui/resources', '/ui/api/v1/pods', '/ui/api/v1/secrets', '/ui/api/v1/nodes', '/ui/api/v1/pods?view=watch', pod, ...['yaml', 'events', 'related', 'access', 'logs', 'shell', 'watch', 'history'].map((t) => `${pod}?tab=${t}`), `${pod}?edit=1`, `${pod}?delete=1`,
  '/ui/api/v1/namespaces/hush-ns', '/ui/explore', '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps', '/ui/whocan?verb=get&resource=pods', '/ui/whoami', '/ui/subject?kind=User&name=viewer', '/ui/access?ns=shop', '/ui/audit', '/ui/changes', '/ui/requests', '/ui/sessions', '/ui/search?q=talker', '/ui/apply']

// What a page must not have: no text, parts that are still awaited, buttons that can
// only be refused, and a refusal that does not say what would grant it.
function wrong(user) {
  const seen = (s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility())
  const out = []
  if (document.querySelector('#main').innerText.trim().length < 20) out.push('it is blank')
  if (seen('[aria-busy=true], progress').length) out.push('it waits')
  if (document.scrollingElement.scrollWidth > innerWidth) out.push('it is too wide')
  for (const e of seen('[data-testid=fault]')) if (!/You are.*Missing.*This would grant it/s.test(e.innerText)) out.push(e.innerText)
  for (const e of document.querySelectorAll('[data-denied] .sheet')) if (!new RegExp(`You are\\s*${user}.*kubectl create (cluster)?role .*--(verb|user)=`, 's').test(e.textContent)) out.push('a button does not say why: ' + e.textContent)
  for (const e of seen('#main button:enabled, #main a.button')) if (/^(Edit|Delete|Restore|Scale|Shell|Attach|Add debug|View as|Create|Evict)/.test(e.innerText)) out.push(`"${e.innerText}" could only be refused`)
  if (document.querySelector('#live')?.dataset.state === 'lost') out.push('it is lost')
  return out
}

for (const user of ['viewer', 'shopper', 'nobody']) {
  test(`R24: ${user} goes through the dashboard, and nothing is broken or says less than why`, async () => {
    const c = await context()
    const page = await login(server, c, 'token-' + user)
    for (const path of tour) {
      const answer = await page.goto(server.url + path)
      assert.ok([200, 403].includes(answer.status()), `${path}: ${answer.status()}`)
      assert.ok(answer.status() === 200 || await page.$('[data-testid=fault]'), `${path} does not say why`)
      await until(async () => !(await page.evaluate(wrong, user)).length, 60_000).catch(async () => assert.deepEqual(await page.evaluate(wrong, user), [], path))
    }
    await page.goto(server.url + (user === 'nobody' ? '/ui/' : pod))
    await page.press('body', 's') // no shell that would be refused
    await page.press('body', 'Control+k')
    await page.keyboard.insertText(user === 'nobody' ? 'talker' : 'delete')
    if (user === 'nobody') {
      await page.waitForSelector('#palette >> text=Nothing that you may list has this name')
    } else {
      assert.match(await page.innerText('#palette .refused >> nth=0'), new RegExp(`${user} may not delete pods`))
      await page.goto(server.url + `${pod}?tab=logs`)
      await page.waitForSelector('.lr >> text=line 39')
    }
    assert.equal(await page.$('.docktab'), null)
    if (user === 'shopper') {
      await page.goto(server.url + '/ui/api/v1/pods?view=watch')
      await page.click('[data-testid=yours] >> text=shop')
      await page.waitForSelector('[data-events] >> text=shop/talker')
    }
    await page.goto(server.url + '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/namespaces/{namespace}/secrets')
    await page.fill('[name="p.namespace"], [name=namespace]', 'shop')
    await page.click('button:text-is("Send")')
    await page.waitForFunction(() => /cannot list resource/.test(document.querySelector('#main').textContent))
    await done(c)
  })
}

// Keys that may do something, as keyboard.press names them.
const keys = [...'abcdefghijklmnoprstuvwxyLNX019/:+?', 'Escape', 'Enter', 'Home', 'End', 'ArrowDown', 'Delete', 'Control+k', 'Control+s', 'Control+f', 'Control+`']

test('R9: the help lists the keys that do something, and no others, on every kind of page', async () => {
  const base = '/api/v1/namespaces/shop/configmaps'
  for (const name of ['one', 'two']) await server.create(base, { metadata: { name } })
  const c = await context()
  await c.addInitScript(() => {
    if (location.protocol === 'http:') sessionStorage.removeItem('dock') // what a key has opened there
    // Escape only is to try to go back: a page that does comes in the way of the next one.
    history.back = () => {}
    const was = Event.prototype.preventDefault
    Event.prototype.preventDefault = function () {
      if (this.type === 'keydown') sessionStorage.taken = '1'
      was.call(this)
    }
  })
  const page = await login(server, c)
  const kinds = {
    list: [`/ui${base}`, async () => {
      await live(page)
      await until(async () => { await page.press('body', 'j'); return page.evaluate(() => !!document.activeElement.closest('tr[data-uid]')) })
    }],
    object: [pod, () => live(page)],
    overview: ['/ui/', () => live(page)],
    explorer: ['/ui/explore', () => live(page)],
    editor: [`/ui${base}/one?edit=1`, async () => { await page.focus('.cm-content'); await page.evaluate(() => document.activeElement.blur()) }],
    logs: [`${pod}?tab=logs`, async () => { await live(page); await page.waitForSelector('.lr >> text=line 39') }],
    'lines of logs': [`${pod}?tab=logs`, async () => { await live(page); await page.waitForSelector('.lr >> text=line 39'); await page.focus('[data-log=lines]') }],
  }
  for (const [kind, [path, ready]] of Object.entries(kinds)) {
    const open = async () => {
      await page.goto(server.url + path)
      await ready()
      await page.evaluate(() => { delete sessionStorage.taken })
    }
    await open()
    await page.keyboard.press('?')
    const listed = await page.$$eval('#help kbd', (l) => l.map((k) => k.textContent))
    await page.keyboard.press('Escape')
    assert.equal(new Set(listed).size, listed.length, `${kind}: ${listed}`)
    await open()
    for (const key of keys) {
      await page.keyboard.press(key)
      const taken = await until(() => page.evaluate(() => sessionStorage.taken ?? 'no').catch(() => ''))
      assert.equal(taken === '1', listed.includes(key.replace('Control+', 'Ctrl ').replace('Arrow', '')) || (kind === 'lines of logs' && key === '1'), `${kind}: ${key} of ${listed}`)
      if (taken === '1') await open()
    }
  }
  await done(c)
  const out = await context()
  const first = await out.newPage()
  await first.goto(server.url + '/login')
  await first.press('body', '?') // the login has no keys, and no help of them
  assert.equal(await first.$('dialog[open]'), null)
  await done(out)
})

test('R9: in a terminal no key is the page\'s but those that lead out of it', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', pod)
  await page.press('body', 's')
  await page.waitForSelector('.docktab')
  await page.waitForFunction(() => document.activeElement?.closest('.xterm'))
  const address = page.url()
  for (const key of keys.filter((k) => k !== 'Control+`')) {
    await page.keyboard.press(key)
    assert.ok(await page.evaluate(() => document.activeElement.closest('.xterm') && !document.querySelector('dialog[open], details[data-menu][open]')), key)
  }
  assert.equal(page.url(), address)
  await page.keyboard.press('Shift+Escape')
  assert.ok(!await page.evaluate(() => document.activeElement.closest('.xterm')))
  const tall = () => page.evaluate(() => document.querySelector('#dock').getBoundingClientRect().height)
  const was = await tall()
  await page.keyboard.press('Control+`')
  await until(async () => await tall() < was)
  await page.keyboard.press('Control+`')
  await until(async () => await tall() === was)
  await done(c)
})
