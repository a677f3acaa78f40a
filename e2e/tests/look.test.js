// R8: every page in every theme and width, for people who use other senses.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, login, quiet, quit, until } from '../harness.js'
import { allRoutes } from '../routes.js'

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

let server, routes
before(async () => {
  server = await Server.start()
  const { pods } = await cluster(server, 40)
  await kinds(server)
  routes = await allRoutes(server, pods[0])
})
after(async () => {
  await quit()
  await server.stop()
})

// Scripts of a test are not the page's: axe is put in past the policy.
async function check(page, what) {
  const found = await page.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source)
    const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary.split('\n')[1]}`).join('; ')}`)
  }, axe)
  return found.map((f) => `${what}: ${f}`)
}

// outOfReach are the controls of bars and of open menus that one would have to
// scroll sideways to, without a sign that there are any. Tabs and tables may.
function outOfReach() {
  const out = []
  const look = (root) => {
    for (const e of root.querySelectorAll('button, a.button, select, input, summary')) {
      const box = e.getBoundingClientRect()
      if (!box.width || !e.checkVisibility() || e.closest('.tabs, table, pre, .code, .vh, .cm-editor')) continue
      let hidden = box.right > innerWidth + 1
      for (let p = e.parentElement; p; p = p.parentElement) {
        const clip = p.getBoundingClientRect()
        hidden ||= getComputedStyle(p).overflowX !== 'visible' && (box.right > clip.right + 1 || box.left < clip.left - 1)
      }
      if (hidden) out.push(`"${e.textContent.trim().slice(0, 30) || e.name}" in ${e.parentElement.className || e.parentElement.localName}`)
    }
  }
  look(document)
  for (const menu of document.querySelectorAll('details[data-menu]:not([open])')) {
    if (!menu.checkVisibility() || menu.closest('table')) continue
    menu.open = true
    look(menu)
    menu.open = false
  }
  return out
}

// cut are the values that a card of a list hides, since it has too few lines.
function cut() {
  return [...document.querySelectorAll('.list tbody tr[data-uid] td')].filter((td) => td.textContent.trim() && td.getBoundingClientRect().bottom > td.parentElement.getBoundingClientRect().bottom + 1).map((td) => `${td.dataset.l} of ${td.parentElement.querySelector('.name').textContent}`)
}

// Every theme and width with AXE=all; without, each theme once and the widths
// that differ most.
const looks = process.env.AXE === 'all'
  ? ['dark', 'light', 'contrast'].flatMap((theme) => [1440, 768, 320].map((width) => [theme, width]))
  : [['dark', 1440], ['light', 320], ['contrast', 768]]
for (const [theme, width] of looks) {
  test(`R8: axe finds nothing: ${theme} at ${width} px`, async () => {
    const c = await context({ viewport: { width, height: 800 }, bypassCSP: true })
    await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
    const page = await login(server, c)
    const found = []
    for (const route of routes) {
      await page.goto(server.url + route)
      await quiet(page, 50)
      found.push(...await check(page, route))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) found.push(`${route} is ${wide} px too wide`)
      found.push(...(await page.evaluate(outOfReach)).map((what) => `${route}: ${what} is out of reach`))
      found.push(...(await page.evaluate(cut)).map((what) => `${route}: ${what} is cut`))
    }
    assert.deepEqual(found, [])
    c.faults = []
    await done(c)
  })
}

test('R8: dark follows the system and is there from the first paint', async () => {
  for (const [scheme, dark] of [['dark', true], ['light', false]]) {
    const c = await context({ colorScheme: scheme, javaScriptEnabled: false })
    const page = await login(server, c)
    const [r] = (await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).match(/\d+/)
    assert.equal(Number(r) < 60, dark)
    await page.click('summary[aria-label=Theme]')
    await page.click(`button[value=${dark ? 'light' : 'dark'}]`)
    await page.waitForLoadState()
    const [other] = (await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).match(/\d+/)
    assert.equal(Number(other) < 60, !dark)
    await done(c)
  }
})

test('R25: a violation, and a request to another host, would be noticed: in pages, their windows, and without scripts', async () => {
  for (const javaScriptEnabled of [true, false]) {
    const c = await context({ javaScriptEnabled })
    const page = await login(server, c)
    assert.deepEqual(c.faults, [])
    // A page with what our pages do not have, under their policy.
    const { headers, body } = await fetch(server.url + '/login').then(async (r) => ({ headers: Object.fromEntries(r.headers), body: await r.text() }))
    delete headers['content-encoding']
    await page.route('**/ui/bad', (r) => r.fulfill({ headers: { ...headers, 'content-type': 'text/html' }, body: body + '<p style="color: red">x</p><script>1</script><img src="https://elsewhere.example/i.png">' }))
    await page.goto(server.url + '/ui/bad')
    await until(() => c.faults.some((f) => /style/.test(f)))
    await until(() => c.faults.some((f) => /elsewhere/.test(f)))
    if (javaScriptEnabled) {
      c.faults = []
      await page.goto(server.url + '/ui/')
      const [window] = await Promise.all([c.waitForEvent('page'), page.evaluate(() => { window.open('/ui/help') })])
      await window.waitForSelector('h1')
      await window.evaluate(() => { document.querySelector('h1').setAttribute('style', 'color: red'); new WebSocket('ws://elsewhere.example/') }).catch(() => {})
      await until(() => c.faults.some((f) => /style/.test(f)))
      await until(() => c.faults.some((f) => /elsewhere/.test(f)))
    }
    await c.close()
  }
})

test('R25: the whole policy is sent, and nothing breaks it', async () => {
  const c = await context()
  const page = await login(server, c)
  for (const route of routes) {
    const answer = await page.goto(server.url + route)
    const policy = answer.headers()['content-security-policy'].replace(/'nonce-[^']+'/, "'nonce-R'")
    assert.equal(policy, "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-R'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
    assert.equal(answer.headers()['x-content-type-options'], 'nosniff')
    await quiet(page, 50)
  }
  await done(c)
})
