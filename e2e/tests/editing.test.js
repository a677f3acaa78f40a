// R14 to R17: an object is edited, reviewed and saved, whatever others do
// meanwhile, and documents are applied.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { base, config, type } from '../configmaps.js'
import { cluster } from '../fixture.js'
import { Server, context, done, live, login, peer, quiet, quit, until } from '../harness.js'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 20)
})
after(async () => {
  await quit()
  await server.stop()
})

const read = (name) => server.api('GET', `${base}/${name}`)

test('R16: an edit is reviewed, saved, and nothing is sent for nothing', async () => {
  await server.create(base, config({ a: 'one', b: 'two' }))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/settings?edit=1`)
  await page.waitForSelector('.cm-content')
  await page.keyboard.press('Control+s')
  assert.match(await page.textContent('[data-testid=review]'), /Nothing would change/)
  assert.deepEqual((await server.api('GET', '/debug/audit?verb=update&name=settings')).events, [], 'not even a dry run')
  await type(page, 'a: one', 'a: three')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  assert.match(await page.textContent('.diff .del'), /a: one/)
  assert.match(await page.textContent('.diff .ins'), /a: three/)
  assert.equal((await read('settings')).data.a, 'one')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.equal((await read('settings')).data.a, 'three')
  assert.match(await page.textContent('[data-testid=yaml]'), /a: three/)
  await done(c)
})

test('R15: what others change meanwhile is merged or shown, never overwritten', async () => {
  await server.create(base, config({ a: 'one', b: 'two' }, 'shared'))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/shared?edit=1`)
  await type(page, 'a: one', 'a: mine')
  await server.api('PATCH', `${base}/shared`, { data: { b: 'theirs' } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  assert.match(await page.textContent('.banner'), /put on top of theirs/)
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.deepEqual((await read('shared')).data, { a: 'mine', b: 'theirs' })

  await page.goto(server.url + `/ui${base}/shared?edit=1`)
  await type(page, 'a: mine', 'a: again # why it is so')
  await server.api('PATCH', `${base}/shared`, { data: { a: 'other' } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=conflicts]')
  assert.match(await page.textContent('[data-testid=conflicts]'), /data\.a.*mine.*again.*other/s)
  const row = await page.$$eval('[data-testid=panes] tr.both td', (l) => l.map((td) => td.textContent.trim()))
  assert.deepEqual(row, ['a: mine', 'a: again', 'a: other'])
  assert.equal((await read('shared')).data.a, 'other')
  await page.$eval('[data-testid=conflicts]', (e) => { e.dataset.old = '1' })
  await page.keyboard.press('Control+s') // without a choice nothing goes on
  await page.waitForSelector('[data-testid=conflicts]:not([data-old])')
  await server.api('PATCH', `${base}/shared`, { data: { b: 'more' } }, 'application/merge-patch+json')
  await page.check('[name="choice.data.a"][value=mine]')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  assert.match(await page.inputValue('textarea'), /# why it is so/, 'comments stay')
  assert.match(await page.textContent('.diff .ins'), /a: again/)
  const hands = await page.textContent('[data-testid=owner-changes]')
  assert.match(hands, /data\.a/)
  assert.match(hands, /pilothouse-dashboard/)
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.deepEqual((await read('shared')).data, { a: 'again', b: 'more' })

  // A third value is written in its conflict.
  await page.goto(server.url + `/ui${base}/shared?edit=1`)
  await type(page, 'a: again', 'a: left # kept')
  await server.api('PATCH', `${base}/shared`, { data: { a: 'right' } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  const own = page.locator('[name="own.data.a"]')
  assert.equal(await own.inputValue(), 'left')
  await own.fill('both\nof them')
  assert.ok(await page.isChecked('[name="choice.data.a"][value=own]'))
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.equal((await read('shared')).data.a, 'both\nof them')
  await done(c)
})

test('R15: conflicts of long values and of Secrets are decided in place, too', async () => {
  const long = 'x'.repeat(9000)
  await server.create(base, config({ a: long }, 'long'))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/long?edit=1`)
  await type(page, '  a: x', `  a: mine ${long} #`)
  await server.api('PATCH', `${base}/long`, { data: { a: 'theirs ' + long } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  const own = page.locator('[name="own.data.a"]')
  const text = await own.inputValue()
  assert.match(text, /^mine x{9000}/)
  assert.equal(await own.evaluate((e) => getComputedStyle(e).resize), 'both')
  await own.fill(text + ' and more')
  const review = async () => {
    await page.keyboard.press('Control+s')
    await page.waitForSelector('.diff .ins')
    await page.keyboard.press('Control+s')
    await page.waitForURL(/tab=yaml/)
  }
  await review()
  assert.match((await read('long')).data.a, /^mine x{9000}.* and more$/)

  const secrets = '/api/v1/namespaces/shop/secrets'
  const encoded = (s) => Buffer.from(s, 'latin1').toString('base64')
  await server.create(secrets, { metadata: { name: 'contested' }, data: { word: encoded('before'), other: encoded('o'), raw: encoded('\xff') } })
  await page.goto(server.url + `/ui${secrets}/contested?edit=1`)
  await type(page, 'word: before', 'word: mine # why')
  await type(page, '  raw: ', `  raw: ${encoded('\xff\x01')} #`)
  await server.api('PATCH', `${secrets}/contested`, { data: { word: encoded('theirs'), raw: encoded('\xff\x02\x03') } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=conflicts]')
  const cells = async (field) => (await page.innerText(`[data-testid=conflicts] .plain tr:has-text("${field}")`)).replace(/\s+/g, ' ')
  // Values show when that is asked for; what is no text says so.
  assert.match(await cells('data.raw'), /binary, 1 byte.*binary, 2 bytes.*binary, 3 bytes/)
  assert.doesNotMatch(await page.innerText('[data-testid=conflicts]'), /before|mine/)
  for (const s of await page.$$('[data-testid=conflicts] .plain tr:has-text("data.word") summary')) await s.click()
  assert.match(await cells('data.word'), /before.*mine.*theirs/)
  assert.equal(await page.locator('[name="own.data.word"]').inputValue(), 'mine')
  await page.fill('[name="own.data.word"]', 'both')
  await page.check('[name="choice.data.raw"][value=theirs]')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  assert.match(await page.inputValue('textarea[name=text]'), /word: both # why/, 'comments stay')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.deepEqual((await server.api('GET', `${secrets}/contested`)).data, { word: encoded('both'), other: encoded('o'), raw: encoded('\xff\x02\x03') })
  await done(c)
})

test('R15: what others change while one types moves nothing', async () => {
  await server.create(base, config({ ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`key-${i}`, `value ${i}`])), other: '0' }, 'typed'))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/typed?edit=1`)
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  await page.keyboard.press('Control+Home')
  for (let i = 0; i < 2; i++) await page.keyboard.press('PageDown')
  await page.keyboard.press('End')
  await quiet(page)
  const state = () => page.evaluate(() => {
    const r = getSelection().getRangeAt(0)
    const line = r.startContainer.parentElement.closest('.cm-line')
    const before = document.createRange()
    before.setStart(line, 0)
    before.setEnd(r.startContainer, r.startOffset)
    return { text: document.querySelector('textarea').value, line: line.textContent, caret: String(before).length, scroll: document.querySelector('.cm-scroller').scrollTop }
  })
  const was = await state()
  assert.ok(was.scroll > 100, 'it is scrolled')
  const typed = ' and what is typed meanwhile, letter by letter'
  let at = 0 // which of the 100 is written, while the letters are typed
  await Promise.all([
    server.many(100, (i) => { at = Math.max(at, i); return server.api('PATCH', `${base}/typed`, { data: { other: String(i + 1) } }, 'application/merge-patch+json') }, 4),
    (async () => { for (const letter of typed) { await page.keyboard.type(letter); await until(() => at >= 2 * typed.indexOf(letter)) } })(),
  ])
  const now = { ...was, text: was.text.replace(was.line, was.line + typed), line: was.line + typed, caret: was.caret + typed.length }
  assert.deepEqual(await state(), now)
  await quiet(page) // nor later
  assert.deepEqual(await state(), now)
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  const { data } = await read('typed')
  const [key, value] = was.line.trim().split(': ')
  assert.equal(data[key], value + typed)
  assert.notEqual(data.other, '0')
  await done(c)
})

test('R15: of two who save the same field at the same moment one does not succeed, and is told', async () => {
  const contexts = [await context(), await context()] // one browser each
  const pages = [await login(server, contexts[0]), await login(server, contexts[1])]
  for (let round = 0; round < 3; round++) {
    const name = `raced-${round}`
    await server.create(base, config({ a: 'zero' }, name))
    for (const [i, page] of pages.entries()) {
      await page.goto(server.url + `/ui${base}/${name}?edit=1`)
      await type(page, 'a: zero', `a: number-${i}`)
      await page.keyboard.press('Control+s')
      await page.waitForSelector('.diff .ins')
    }
    await Promise.all(pages.map((page) => page.keyboard.press('Control+s')))
    const outcome = await Promise.all(pages.map((page) => Promise.race([page.waitForURL(/tab=yaml/).then(() => 'saved'), page.waitForSelector('[data-testid=conflicts], [data-testid=fault]').then(() => 'told')]).catch((e) => e.message)))
    assert.deepEqual([...outcome].sort(), ['saved', 'told'])
    assert.equal((await read(name)).data.a, `number-${outcome.indexOf('saved')}`)
  }
  for (const c of contexts) await done(c)
})

test('R16: mistakes are shown beside the text, which stays', async () => {
  await server.create(base, config({ a: 'one' }, 'mistake'))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${base}/mistake?edit=1`)
  await type(page, 'kind: ConfigMap', 'kind: ConfigMap\nunknownField: 1')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=fault]')
  assert.match(await page.textContent('[data-testid=fault]'), /unknown field "unknownField"/)
  assert.match(await page.inputValue('textarea'), /unknownField: 1/)
  await page.reload()
  await page.waitForSelector('.cm-content')
  assert.match(await page.inputValue('textarea'), /unknownField: 1/, 'the draft survives a reload')
  await done(c)
})

test('R15: drafts of Secrets survive a reload and a login, sealed, for their user alone', async () => {
  const secrets = '/api/v1/namespaces/shop/secrets', text = 'correct horse'
  const secret = (await server.create(secrets, { metadata: { name: 'sealed' }, stringData: { word: 'open' } })).data.word
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${secrets}/sealed?edit=1`)
  const draft = () => page.evaluate(() => Object.entries(localStorage).find(([k]) => k.startsWith('draft ') && k.includes('/secrets/sealed'))?.join() ?? '')
  const offered = () => page.waitForSelector('.banner >> text=This is the draft')
  await type(page, 'word: open', `word: ${text} # why`)
  await until(draft)
  const was = await draft()
  await page.keyboard.type(' and')
  await until(async () => await draft() !== was)
  let asked = 0
  page.on('dialog', (d) => { asked++; d.accept() })
  await page.reload()
  assert.equal(asked, 1, 'leaving asks')
  await offered()
  assert.match(await page.inputValue('textarea'), /# why and/)
  // No plain text is in a store, of the value, the draft or the key.
  const key = Buffer.from(await page.evaluate(async () => [...new Uint8Array(await (await fetch('/ui/draftkey', { method: 'POST', body: new URLSearchParams({ form: document.querySelector('script[data-form]').dataset.form }) })).arrayBuffer())]))
  assert.equal(key.length, 32)
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.cookie]))
  for (const s of [text, 'word:', 'why', secret, Buffer.from(text).toString('base64').slice(0, 16), key.toString('base64').slice(0, 40), key.toString('hex')]) assert.ok(!stored.includes(s), s)
  assert.ok(!(await page.content()).includes(key.toString('base64').slice(0, 40)))
  assert.equal((await fetch(server.url + '/ui/draftkey', { method: 'POST', redirect: 'manual' })).ok, false, 'the key is for who is logged in')
  // The next login of the same user has it, listed in the palette; another user's has not.
  const as = async (token) => {
    await page.goto(server.url + '/ui/')
    await page.click('summary.who')
    await page.click('text=Log out')
    await page.fill('#token', token)
    await page.click('[data-testid=login]')
    await page.waitForURL(/\/ui\//)
  }
  const listed = async () => {
    await page.keyboard.press('Control+k')
    await page.waitForSelector('#palette #results', { state: 'attached' })
    return page.$$eval('#palette [role=option]', (l) => l.map((a) => a.innerText.replace(/\s+/g, ' ').trim()).filter((t) => t.includes('sealed')))
  }
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings', { metadata: { name: 'dev-edits' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'dev' }] })
  await as('token-dev')
  assert.deepEqual(await listed(), [])
  await page.goto(server.url + `/ui${secrets}/sealed?edit=1`)
  await page.waitForSelector('.cm-content')
  assert.doesNotMatch(await page.inputValue('textarea'), /horse/)
  await server.api('DELETE', '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/dev-edits')
  await as('token-admin')
  assert.deepEqual(await listed(), ['draft sealed shop'])
  await page.keyboard.press('Enter')
  await offered()
  assert.match(await page.inputValue('textarea'), /word: correct horse # why and/)
  // A refused save keeps it, a save ends it.
  await type(page, 'type: Opaque', 'type: Other')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=fault]')
  assert.match(await page.inputValue('textarea'), /horse/)
  assert.ok(await draft())
  await type(page, 'type: Other', 'type: Opaque')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('.diff .ins')
  await page.keyboard.press('Control+s')
  await page.waitForURL(/tab=yaml/)
  assert.equal(Buffer.from((await server.api('GET', `${secrets}/sealed`)).data.word, 'base64').toString(), text)
  assert.equal(await draft(), '')
  // What is pasted to be applied may be a Secret, too.
  await page.goto(server.url + '/ui/apply')
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  await page.keyboard.insertText(JSON.stringify({ kind: 'Secret', stringData: { word: 'battery staple' } }))
  await until(() => page.evaluate(() => Object.keys(localStorage).some((k) => k.endsWith(' /ui/apply'))))
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage }))).includes('staple'))
  await page.reload()
  await offered()
  assert.match(await page.inputValue('textarea'), /staple/)
  await done(c)
})

test('R17: many documents are applied in the order of their dependencies', async () => {
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/apply')
  const text = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'inner', namespace: 'fresh' }, data: { a: 'b' } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fresh' } },
    { apiVersion: 'nothing/v1', kind: 'Nothing', metadata: { name: 'x' } },
  ].map((d) => JSON.stringify(d)).join('\n---\n')
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  await page.keyboard.insertText(text)
  await page.click('button[value=review]')
  await page.waitForSelector('[data-testid=documents]')
  await page.click('button[value=save]')
  await page.waitForSelector('[data-testid=progress] >> text=/3 of 3, 1 failed, done/')
  const rows = await page.$$eval('[data-testid=documents] tbody tr', (l) => l.map((tr) => tr.innerText.replace(/\s+/g, ' ')))
  assert.match(rows[0], /ConfigMap inner fresh .*created/)
  assert.match(rows[1], /Namespace fresh .*created/)
  assert.match(rows[2], /refused.*no kind Nothing/)
  assert.equal((await server.api('GET', '/api/v1/namespaces/fresh/configmaps/inner')).data.a, 'b')
  await done(c)
  const other = await context()
  const denied = await login(server, other, 'token-dev', '/ui/apply')
  await denied.waitForSelector('.cm-content')
  await denied.click('.cm-content')
  await denied.keyboard.insertText(JSON.stringify(config({ a: 'b' }, 'denied')))
  await denied.click('button[value=review]')
  await denied.waitForSelector('[data-testid=documents] >> text=/denied.*cannot (get|create|patch) resource/s')
  await done(other)
})

test('R17: an apply shows how far each document is, goes on without its page, and its rest is cancelled', async (t) => {
  let open
  const gate = new Promise((ok) => { open = ok })
  const hook = await peer(server, async (q, r) => {
    let body = ''
    for await (const b of q) body += b
    const { request } = JSON.parse(body)
    if (request.name === 'slow-4' && !request.dryRun) await gate
    const denied = request.name === 'slow-2' && !request.dryRun && { allowed: false, status: { message: 'not the second one' } }
    r.setHeader('Content-Type', 'application/json').end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, ...denied } }))
  })
  t.after(hook.stop)
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'slowly' } })
  await server.create(hooks, { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', metadata: { name: 'slowly' }, webhooks: [{
    name: 'slowly.example.org', clientConfig: { url: `https://127.0.0.1:${hook.port}/`, caBundle: hook.ca }, sideEffects: 'None', admissionReviewVersions: ['v1'], timeoutSeconds: 30,
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }], namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'slowly' } },
  }] })
  const slowly = '/api/v1/namespaces/slowly/configmaps'
  await until(() => server.api('POST', slowly, { metadata: { name: 'slow-2' } }).then(() => server.api('DELETE', slowly + '/slow-2').then(() => false), (e) => /not the second/.test(e.message)))
  const c = await context()
  const page = await login(server, c, 'token-admin', '/ui/apply')
  await page.waitForSelector('.cm-content')
  const files = await page.evaluateHandle((n) => {
    const data = new DataTransfer()
    for (let i = 0; i < n; i++) data.items.add(new File([JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `slow-${i}`, namespace: 'slowly' }, data: { a: 'b' } })], `${i}.json`))
    return data
  }, 8)
  await page.dispatchEvent('.cm-content', 'drop', { dataTransfer: files })
  await until(async () => /slow-7/.test(await page.inputValue('textarea[name=text]')))
  await page.click('button[value=review]')
  await page.click('button[value=save]')
  await page.waitForURL(/\/ui\/jobs\//)
  const job = page.url()
  const rows = () => page.$$eval('[data-testid=documents] tbody tr', (l) => l.map((tr) => tr.cells[4].innerText.replace(/\s+/g, ' ').trim()))
  const during = [/created$/, /created$/, /refused .*not the second one/, /created$/, /in progress$/, /^not begun$/, /^not begun$/, /^not begun$/]
  const like = async (want) => { const got = await rows(); return got.length === want.length && want.every((w, i) => w.test(got[i])) }
  await until(() => like(during))
  await page.waitForSelector('[data-testid=progress] >> text="4 of 8, 1 failed"')
  await page.click('.nav >> text=Services')
  await page.waitForURL(/services/)
  await page.click('[data-work=running] >> text=/8 documents are being applied: 4 of 8/')
  await page.waitForURL(job)
  await page.reload() // a page that was lost, with its connection
  await until(() => like(during))
  await Promise.all([page.waitForResponse((r) => r.request().method() === 'POST'), page.click('[data-testid=cancel]')])
  open()
  await page.waitForSelector('[data-testid=progress] >> text=/5 of 8, 1 failed, cancelled/')
  await until(() => like([/created$/, /created$/, /refused .*not the second one.*Retry$/, /created$/, /created$/, /^not begun$/, /^not begun$/, /^not begun$/]))
  const made = async () => (await server.api('GET', slowly)).items.filter((o) => o.metadata.name.startsWith('slow-')).length
  assert.equal(await made(), 4)
  assert.match(await page.inputValue('textarea[name=text]'), /slow-7/, 'the text to go on with')
  await page.click('[data-testid=rest]')
  await page.waitForSelector('[data-testid=progress] >> text="3 of 3, done"')
  assert.equal(await made(), 7)
  await server.api('DELETE', hooks + '/slowly')
  await done(c)
})

test('R16: what a custom resource is refused for stands at its line, in an edit and in a creation', async () => {
  const spec = { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.low <= self.high', message: 'low is above high' }], properties: {
    low: { type: 'integer' }, high: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self < 100', message: 'high is 100 or more' }] }, name: { type: 'string' } } }
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'ranges.example.com' }, spec: {
    group: 'example.com', scope: 'Namespaced', names: { plural: 'ranges', kind: 'Range' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec } } } }] } })
  const ranges = '/apis/example.com/v1/namespaces/shop/ranges'
  await until(() => server.create(ranges, { apiVersion: 'example.com/v1', kind: 'Range', metadata: { name: 'one' }, spec: { low: 1, high: 2 } }).then(() => true, () => false))
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${ranges}/one?edit=1`)
  const mistakes = [['low: 1', 'low: 3', /low is above high/, 'spec:'], ['high: 2', 'high: 200', /high is 100 or more/, '  high: 200'], ['low: 1', 'lowest: 1', /unknown field "spec.lowest"/, '  lowest: 1', /spec.lowest: field not declared/], ['low: 1', 'low: one', /must be of type integer/, '  low: one', /spec.low: expected numeric/]]
  const marked = (line) => page.locator('.cm-line', { has: page.locator('.cm-lintRange-error') }).filter({ hasText: line.trim() }).first().waitFor()
  for (const [was, now, message, line] of mistakes) {
    await page.goto(server.url + `/ui${ranges}/one?edit=1`)
    await type(page, was, now)
    await page.keyboard.press('Control+s')
    await page.waitForSelector('[data-testid=fault]')
    assert.match(await page.textContent('[data-testid=fault]'), message)
    const number = (await page.inputValue('textarea[name=text]')).split('\n').indexOf(line) + 1
    assert.equal(await page.textContent('[data-testid=fault] [data-testid=line]'), `line ${number}`)
    await marked(line)
    await page.evaluate(() => localStorage.clear())
    page.once('dialog', (d) => d.accept())
  }
  // A creation, the second of two documents.
  await page.goto(server.url + '/ui/apply')
  await page.waitForSelector('.cm-content')
  for (const [was, now, message, line, applied = message] of mistakes) {
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\n---\napiVersion: example.com/v1\nkind: Range\nmetadata: {name: two, namespace: shop}\nspec:\n  low: 1\n  high: 2\n`.replace(was, now)
    await page.click('.cm-content')
    await page.keyboard.press('Control+a')
    await page.keyboard.insertText(text)
    await page.click('button[value=review]')
    const row = page.locator('[data-testid=documents] tbody tr').nth(1)
    await until(async () => applied.test(await row.innerText().catch(() => '')))
    assert.equal(await row.locator('[data-testid=line]').innerText(), `line ${text.split('\n').indexOf(line) + 1}`)
    await marked(line)
  }
  await assert.rejects(server.api('GET', ranges + '/two'))
  await done(c)
})

test('R16: a scale to the number that there is sends nothing', async () => {
  const path = '/apis/apps/v1/namespaces/shop/deployments/api-gateway'
  const was = await server.api('GET', path)
  const c = await context()
  const page = await login(server, c, 'token-admin', `/ui${path}?act=scale`)
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('.toast >> text="No change: Deployment api-gateway is that already."')
  assert.equal(await page.$('.toast [data-undo]'), null, 'there is nothing to undo')
  const now = await server.api('GET', path)
  assert.equal(now.metadata.generation, was.metadata.generation)
  assert.deepEqual(now.metadata.managedFields.filter((m) => m.subresource === 'scale'), [])
  // Among several, each says so for itself.
  for (let i = 0; i < 2; i++) {
    await page.goto(server.url + '/ui/apis/apps/v1/namespaces/shop/deployments')
    await live(page)
    for (const key of ['j', 'x', 'j', 'x']) await page.press('body', key)
    await page.click('[data-bulk] button[value=scale]')
    await page.fill('input[name=change]', '7')
    await page.click('[data-testid=confirm]')
    await page.waitForSelector('[data-testid=progress] >> text="2 of 2, done"')
  }
  await until(async () => (await page.$$('[data-testid=items] >> text="no change"')).length === 2)
  await done(c)
})
