// R8: zoomed in, with the colours of the system, without motion; and what only
// shows when something was done, as axe sees it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { cluster, kinds } from '../fixture.js'
import { Server, context, done, live, login, quiet, quit, unhurried, until } from '../harness.js'

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const pods = '/ui/api/v1/namespaces/shop/pods'
const settings = '/ui/api/v1/namespaces/shop/configmaps/api-gateway-config'

let server
before(async () => {
  server = await Server.start()
  await cluster(server, 40)
  await kinds(server)
})
after(async () => {
  await quit()
  await server.stop()
})

async function check(page, what) {
  const found = await page.evaluate(async (source) => {
    if (!window.axe) (0, eval)(source)
    const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary.split('\n')[1]}`).join('; ')}`)
  }, axe)
  assert.deepEqual(found, [], what)
}

// conflict leads to the page of an edit that somebody else was in the way of.
async function conflict(page) {
  await page.goto(server.url + settings + '?edit=1')
  await page.waitForSelector('.cm-content')
  const text = await page.inputValue('textarea')
  await page.click('.cm-content')
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(text.replace(/LOG_LEVEL: .*/, `LOG_LEVEL: mine-${Date.now()}`))
  await server.api('PATCH', settings.slice(3), { data: { LOG_LEVEL: `theirs-${Date.now()}` } }, 'application/merge-patch+json')
  await page.keyboard.press('Control+s')
  await page.waitForSelector('[data-testid=conflicts]')
}

for (const [theme, width] of [['dark', 1440], ['light', 375], ['contrast', 768]]) {
  test(`R8: axe finds nothing in what comes up: ${theme} at ${width} px`, async () => {
    const c = await context({ viewport: { width, height: 812 }, bypassCSP: true })
    await unhurried(c)
    await c.addCookies([{ name: 'pilothouse-theme', value: theme, url: server.url }])
    const page = await login(server, c, 'token-admin', pods)
    await live(page)
    await page.click('[data-testid=columns] > summary')
    await check(page, 'the chooser of columns')
    const box = await (await page.$('[data-testid=columns] .sheet')).boundingBox()
    assert.ok(box.x >= 0 && box.x + box.width <= width, `the chooser stands at ${JSON.stringify(box)}`)
    await page.keyboard.press('Escape')
    await page.goto(server.url + '/ui/api/v1/services')
    await page.keyboard.press('Control+k')
    await page.waitForSelector('#palette [role=option]')
    await check(page, 'the palette with what was seen lately')
    await page.keyboard.press('Escape')
    await conflict(page)
    await check(page, 'a conflict')
    await page.check('[value=mine]')
    await page.keyboard.press('Control+s')
    await page.waitForSelector('[data-testid=owner-changes]')
    await check(page, 'a review')
    await page.keyboard.press('Control+s')
    await page.waitForSelector('[data-undo]')
    await check(page, 'something that can be undone')
    await done(c)
  })
}

// 200 % of 1440x900 are 720x450 of the page's own pixels, 400 % of 1280x1024 are
// 320x256 (WCAG 1.4.4 and 1.4.10).
for (const [zoom, width, height] of [[200, 720, 450], [400, 320, 256]]) {
  test(`R8: at ${zoom} % nothing is lost or beyond the edge`, async () => {
    const c = await context({ viewport: { width, height }, deviceScaleFactor: zoom / 100 })
    const page = await login(server, c)
    for (const path of ['/ui/', pods, `${pods}/api-gateway-6c9f-x2b7q`, settings + '?tab=yaml', settings + '?edit=1', '/ui/whocan?verb=get&resource=pods', '/ui/apply', '/ui/requests']) {
      await page.goto(server.url + path)
      await quiet(page)
      const seen = await page.evaluate(() => {
        const root = document.scrollingElement
        const beyond = [...document.querySelectorAll('main :is(button, .button, h1, input, select), .top :is(a, button, summary)')]
          .filter((e) => e.checkVisibility() && !e.closest('.scroll, .tabs, .cm-editor, .sheet, .vh'))
          .filter((e) => { const b = e.getBoundingClientRect(); return b.width && (b.right > innerWidth + 1 || b.left < -1) })
        const parts = [...document.querySelectorAll('main .scroll, main .cm-scroller')].filter((e) => e.checkVisibility())
        return { wide: root.scrollWidth - root.clientWidth, beyond: beyond.map((e) => e.outerHTML.slice(0, 120)), least: Math.max(...parts.map((e) => e.clientHeight), 0) }
      })
      assert.equal(seen.wide, 0, `${path} scrolls sideways at ${zoom} %`)
      assert.deepEqual(seen.beyond, [], `${path} at ${zoom} %`)
      assert.ok(seen.least >= 60, `${path} leaves ${seen.least} px for what it is about at ${zoom} %`)
    }
    await done(c)
  })
}

test('R8: with the colours of the system what is chosen and what is focused can be told', async () => {
  const c = await context({ forcedColors: 'active' })
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  const outlined = (selector) => page.$eval(selector, (e) => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1 || parseFloat(s.borderBottomWidth) >= 2 })
  assert.ok(await outlined('.navlink[aria-current]'), 'the place in the navigation')
  await page.press('body', 'j')
  assert.ok(await outlined('[data-body] tr:focus-within td'), 'the current row')
  await page.press('body', 'x')
  assert.ok(await page.isChecked('[data-body] tr:focus-within input'))
  await page.keyboard.press('Control+k')
  await page.keyboard.insertText('pods')
  await page.waitForSelector('#palette [data-rank][aria-selected=true]')
  assert.ok(await outlined('#palette [aria-selected=true]'), 'the chosen result')
  await page.keyboard.press('Escape')
  await page.goto(server.url + `${pods}/api-gateway-6c9f-x2b7q`)
  assert.ok(await outlined('.tabs [aria-current]'), 'the current tab')
  await conflict(page)
  assert.ok(await page.$eval('.panes .ins', (e) => parseFloat(getComputedStyle(e).borderLeftWidth) >= 3), 'what was changed')
  // States are words and signs, not colours alone.
  await page.goto(server.url + '/ui/api/v1/pods?sort=status')
  for (const tone of await page.$$eval('[data-body] .tone', (l) => l.slice(0, 40).map((e) => [e.querySelector('i').textContent, e.innerText.replace(e.querySelector('i').textContent, '').trim()]))) {
    assert.ok(tone[0] && tone[1], `a state is ${JSON.stringify(tone)}`)
  }
  await done(c)
})

test('R8: without motion nothing moves, and a change still shows', async () => {
  const c = await context({ reducedMotion: 'reduce' })
  const page = await login(server, c, 'token-admin', pods)
  await live(page)
  const name = await page.$eval('[data-body] tr td.name', (td) => td.textContent)
  const p = await server.api('GET', `${pods.slice(3)}/${name}`)
  await server.api('PATCH', `${pods.slice(3)}/${name}/status`, { status: { containerStatuses: [{ name: p.spec.containers[0].name, image: 'i', imageID: '', ready: true, restartCount: 4711 }] } }, 'application/strategic-merge-patch+json')
  await page.waitForSelector('td.flash >> text=4711')
  const cell = await page.$eval('td.flash', (td) => [getComputedStyle(td).animationName, getComputedStyle(td, '::after').content])
  assert.equal(cell[0], 'none')
  assert.match(cell[1], /•/)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#panel [data-object]')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette[open]')
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
  await until(async () => (await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior)) === 'auto')
  await done(c)
})
