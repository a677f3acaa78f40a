// R8: all that is shown comes from the catalogue of messages, in the language of
// the user. en-XA puts every message into ⟦brackets⟧; what is without is named.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { check as checkSource } from '../../static/words.mjs'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quiet, quit, unhurried, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'
import { allRoutes } from '../routes.js'

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const wait = 60_000
const pods = '/ui/api/v1/namespaces/shop/pods'
const settings = '/ui/api/v1/namespaces/shop/configmaps/api-gateway-config'
const many = 1234

let server, node, routes
before(async () => {
  server = await Server.start()
  const { pods } = await cluster(server, 40)
  await kinds(server)
  routes = await allRoutes(server, pods[0])
  node = await Kubelet.start(server)
  await node.pod('shop', 'logging')
  node.log('shop/logging/main', ['one', '{"two": 2}'])
})
after(async () => {
  await quit()
  await node?.stop()
  await server?.stop()
})

// Pages of the languages of tests and of Germans.
const pseudo = (options) => context({ locale: 'en-XA', ...options })
const german = (options) => context({ locale: 'de-DE', ...options })

// strays gives the texts with letters that are in no brackets, and no data: those
// have translate="no", or are code, keys or times. A message may have elements in
// its middle, so brackets are counted through the whole page.
const strays = (page) => page.evaluate(() => {
  const own = 'noscript, code, pre, kbd, time, textarea, .cm-editor, .xterm, script, style, template, datalist'
  const seen = ['title', 'placeholder', 'alt', 'aria-label', 'aria-description', 'aria-roledescription', 'aria-valuetext']
  const found = []
  let depth = 0, opened = ''
  const isData = (e) => e.matches('time') || e.closest('[translate]')?.getAttribute('translate') === 'no'
  // An attribute may name what the page names as data.
  const named = new Set([...document.querySelectorAll('[translate=no], [translate=no] *, code')].filter((e) => e.matches('code') || isData(e)).map((e) => e.textContent.trim()))
  const names = (text) => named.has(text) || text.split(' ').some((_, i, all) => i && named.has(all.slice(0, i).join(' ')) && named.has(all.slice(i).join(' ')))
  const outside = (text) => [...text].filter((c) => { if (c === '⟦') depth++; else if (c === '⟧') depth--; return !depth && /\p{L}/u.test(c) }).length > 0
  const name = (e) => e.cloneNode(false).outerHTML.replace(/ (style|href|value|datetime|data-[a-z-]+)="[^"]*"/g, '').slice(0, 120)
  const walk = (e) => {
    const data = isData(e)
    const before = depth
    for (const a of [...seen, ...(e.matches('input[type=submit], input[type=button]') ? ['value'] : [])]) {
      depth = 0
      if (!data && e.hasAttribute(a) && outside(e.getAttribute(a)) && !names(e.getAttribute(a))) found.push(`${a} of ${name(e)}: ${e.getAttribute(a)}`)
    }
    depth = before
    if (e.matches(own) || e.id === 'said' && / · Pilothouse$/.test(e.textContent)) return // the title, or the last page's, is read out; it ends in a name
    for (const n of e.childNodes) {
      if (n.nodeType === Node.ELEMENT_NODE) walk(n)
      else if (n.nodeType === Node.TEXT_NODE && !data && n.data !== document.title) { // the title is read out
        if (!depth) opened = n.data
        if (outside(n.data)) found.push(`${name(e)}: ${n.data.trim()}`)
      }
    }
  }
  walk(document.body)
  if (depth) found.push(`brackets do not close: ${opened.trim()}`)
  return found
})

// Search collects strays of many pages: each text once, with where it was first.
class Search {
  found = new Map()

  async look(page, what) {
    await quiet(page, 50)
    for (const s of await strays(page)) if (!this.found.has(s)) this.found.set(s, what)
  }

  end() { assert.deepEqual([...this.found].map(([s, what]) => `${what}: ${s}`), []) }
}

test('R8: no page says anything that is not in the catalogue', async () => {
  const c = await pseudo()
  const page = await login(server, c)
  assert.equal(await page.getAttribute('html', 'lang'), 'en-XA')
  const search = new Search()
  for (const route of routes) {
    await page.goto(server.url + route)
    await search.look(page, route)
  }
  await page.context().clearCookies()
  await page.goto(server.url + '/login')
  await search.look(page, 'login')
  await page.fill('#token', 'none')
  await page.click('[data-testid=login]')
  await page.waitForSelector('[data-testid=problem]')
  await search.look(page, 'a login that fails')
  await done(c)
  // What a log says until its scripts have another word for it.
  const without = await pseudo({ javaScriptEnabled: false })
  const log = routes.find((r) => r.endsWith('?tab=logs'))
  const plain = await login(server, without, 'token-admin', log)
  await plain.waitForSelector('[data-log=problem]')
  for (const s of await strays(plain)) search.found.set(s, log)
  await done(without)
  search.end()
})

test('R8: neither does what comes up', async () => {
  const c = await pseudo()
  await unhurried(c)
  const page = await login(server, c, 'token-admin', pods)
  const search = new Search()
  const look = (what) => search.look(page, what)
  const says = (selector, text) => until(async () => (await page.textContent(selector)).includes(text), wait)

  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await look('a selection')
  await page.press('body', 'p')
  await page.waitForSelector('#live[data-state=paused]')
  await look('a list that is paused')
  await page.press('body', 'p')
  await live(page)
  await page.press('body', 'Escape')
  await page.fill('#filter', '-l app=(')
  await page.waitForSelector('[data-problem]:not([hidden])')
  await look('a filter that is wrong')
  await page.fill('#filter', 'nothing-has-this')
  await page.waitForSelector('[data-empty]:not([hidden])')
  await look('a filter without results')
  await page.fill('#filter', 'api-gateway')
  await page.click('[data-body] a[data-open] >> text=api-gateway')
  await page.waitForSelector('#panel [data-object]')
  await look('the panel')
  await page.press('body', '?')
  await page.waitForSelector('#help[open]')
  await look('the help')
  await page.press('body', 'Escape')
  await page.press('body', 'Control+k')
  await page.waitForSelector('#palette [role=option]')
  await look('the palette with what was seen lately')
  await page.keyboard.insertText('cart')
  await page.waitForSelector('#palette [data-rank]')
  await look('the palette')
  await page.press('body', 'Escape')

  await page.goto(server.url + `${pods}/logging?tab=logs`)
  await page.waitForSelector('.lr')
  await page.fill('[data-log=find]', '/(/')
  await page.waitForSelector('[data-log=find][aria-invalid]')
  await look('a log')
  await page.click('#main [data-dock=logs]')
  await page.waitForSelector('.dockpane.logs .lr')
  await page.goto(server.url + `${pods}/logging`)
  await page.press('body', 's')
  await page.waitForSelector('.docktab[data-state=open]', { timeout: wait })
  await look('the dock')
  await page.keyboard.type('exit 3\r')
  await page.waitForSelector('.docktab[data-state=ended]', { timeout: wait })
  await says('.dockpane:not([hidden]) .shellstate', '⟦exit 3⟧')
  await look('a shell that has ended')
  for (const left of [1, 0]) {
    await page.click('#dock > header > button:last-child')
    await until(async () => await page.locator('.docktab').count() === left, wait)
  }

  await page.goto(server.url + `${pods}/logging`)
  await live(page)
  await server.api('DELETE', `${pods.slice(3)}/logging`)
  await page.waitForSelector('.banner')
  await look('an object that is deleted')

  await page.goto(server.url + settings + '?edit=1')
  const edit = async (level) => {
    await page.waitForSelector('.cm-content')
    const text = await page.inputValue('textarea')
    await page.click('.cm-content')
    await page.keyboard.press('Control+a')
    await page.keyboard.insertText(text.replace(/LOG_LEVEL: .*/, `LOG_LEVEL: ${level}`))
  }
  await edit('mine')
  await page.keyboard.press('Control+f')
  await says('.cm-search', '⟦next⟧')
  await page.keyboard.press('Escape')
  await server.api('PATCH', settings.slice(3), { data: { LOG_LEVEL: 'theirs' } }, 'application/merge-patch+json')
  await page.reload()
  await page.waitForSelector('.banner')
  await look('a draft')
  await page.click('.cm-content')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=conflicts]')
  await look('a conflict')
  await page.check('[value=mine]')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=review]')
  await look('a review')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-undo]')
  await look('something that can be undone')
  await page.goto(server.url + '/ui/api/v1/namespaces/team-red/configmaps')
  await live(page)
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all]')
  await page.click('[data-bulk] button[value=delete]')
  await page.waitForSelector('[data-testid=confirm]')
  await look('the deletion of many')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('[data-job] [data-countdown]')
  await look('the work that is held')
  await page.goto(server.url + '/ui/api/v1/namespaces/team-red/configmaps')
  await live(page)
  await page.waitForSelector('[data-work=held]')
  await look('a list of what is to be deleted')
  await page.click('[data-work=held] a')
  await page.click('#main button[value=now]')
  await says('[data-job-text]', 'done')
  await look('the work on many')
  await page.evaluate(() => document.dispatchEvent(new CustomEvent('session-ended')))
  await page.waitForSelector('#login')
  await look('the end of a session')
  search.end()
  await done(c)
})

test('R8: in German', async () => {
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'many' } })
  await server.many(many, (i) => server.create('/api/v1/namespaces/many/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `settings-${i}`, namespace: 'many' } }))
  const c = await german()
  await unhurried(c)
  const page = await login(server, c, 'token-admin', '/ui/api/v1/namespaces/many/configmaps')
  assert.equal(await page.getAttribute('html', 'lang'), 'de')
  await live(page)
  await until(async () => (await page.textContent('[data-testid=count]')).includes('1.23'))
  await page.press('body', 'j')
  await page.press('body', 'x')
  await page.click('[data-act=select-all] >> text=/^Alle 1[.]23\\d passenden auswählen$/')
  await page.press('body', 'p')
  await page.waitForSelector('#live >> text=/^angehalten um \\d\\d:\\d\\d:\\d\\d$/')
  await page.goto(server.url + '/ui/api/v1/namespaces/many/configmaps/settings-7?delete=1')
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('[data-toast] >> text=/ConfigMap settings-7 wird in .* s gelöscht/')
  await page.waitForSelector('[data-undo] >> text=Rückgängig')
  await page.click('[data-work=held] >> text=Jetzt löschen')
  await page.waitForSelector('[data-toast] >> text=ConfigMap settings-7 wurde gelöscht.')
  await done(c)
})

test('R8: in German nothing is too wide for a small screen, and axe finds nothing', async () => {
  const c = await german({ viewport: { width: 320, height: 700 }, bypassCSP: true })
  const page = await login(server, c)
  const wide = []
  for (const path of ['/ui/', pods, `${pods}/api-gateway-6c9f-x2b7q`, settings + '?edit=1', settings + '?delete=1', '/ui/whocan?verb=get&resource=pods', '/ui/apply', '/ui/requests', '/ui/explore', '/ui/sessions', `${pods}/api-gateway-6c9f-x2b7q?tab=logs`]) {
    await page.goto(server.url + path)
    await quiet(page, 50)
    const by = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (by > 0) wide.push(`${path} is ${by} px too wide`)
    if (path !== '/ui/' && path !== pods) continue
    wide.push(...await page.evaluate(async (source) => {
      if (!window.axe) (0, eval)(source)
      const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target).join('; ')}`)
    }, axe))
  }
  assert.deepEqual(wide, [])
  await done(c)
})

test('R8: one chooses a language, and it stays', async () => {
  const c = await context()
  let page = await login(server, c, 'token-dev')
  const language = () => page.getAttribute('html', 'lang')
  assert.equal(await language(), 'en')
  await page.click('details:has(button[name=language]) > summary')
  await page.click('button[name=language][value=de]')
  await page.waitForSelector('html[lang=de]')
  await page.reload()
  assert.equal(await language(), 'de')
  await done(c)
  const other = await context()
  page = await login(server, other, 'token-dev')
  assert.equal(await language(), 'de', 'it is the user\'s, whatever the browser')
  // A page that is open in the language of before is loaded anew.
  const tab = await other.newPage()
  await tab.goto(server.url + '/ui/resources')
  await page.click('details:has(button[name=language]) > summary')
  await page.click('button[name=language][value=en]')
  await page.waitForSelector('html[lang=en]')
  await tab.click('.nav >> text=Pods')
  await tab.waitForSelector('html[lang=en]')
  await done(other)
})

test('R8: English needs no table', async () => {
  const c = await context()
  const asked = []
  c.on('request', (r) => asked.push(new URL(r.url()).pathname))
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  assert.equal(await page.getAttribute('html', 'lang'), 'en')
  assert.deepEqual(asked.filter((p) => p.includes('message')), [])
  await done(c)
  const g = await german()
  g.on('request', (r) => asked.push(new URL(r.url()).pathname))
  await live(await login(server, g, 'token-admin', pods))
  assert.equal(new Set(asked.filter((p) => p.includes('message'))).size, 1)
  await done(g)
})

test('R8: scripts that show text of their own do not build', () => {
  const bad = ['e.textContent = `${n} rows`', 'b.title = on ? "Pause" : msg("Go on")', 'b.setAttribute("aria-label", "close")', 'say("Done")', 'fragment(`<p>hi there</p>`)', 'fragment(`<a title="Open it"></a>`)', 'const all = ["Edit it"]', 'p.append("one ", x)', 'msg(name)', 'msgs(n, `line`, many)', "msg('Go to {place}', { place: 'All resources' })"]
  for (const source of bad) assert.equal(checkSource('x.js', source).length > 0, true, source)
  for (const source of ["e.textContent = msg('Pause')", "$('#main a').click()", "e.className = 'dim lines'", "if (e.key === 'Enter') f()", "say(msgs(n, '{n} row', '{n} rows'))", "b.setAttribute('aria-pressed', 'true')"]) assert.deepEqual(checkSource('x.js', source), [], source)
})
