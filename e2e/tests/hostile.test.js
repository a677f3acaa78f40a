// Data that means harm, in a window of 320 by 640: the longest names, texts that turn
// their surroundings around, scripts, lines of a log without end. Nothing runs, no
// page scrolls sideways, and nothing lies over anything else.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Server, context, done, live, login, quiet, quit, until } from '../harness.js'
import { Kubelet } from '../kubelet.js'

const viewport = { width: 320, height: 640 }
const run = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1"><svg onload=window.hacked=1>'
const turned = '\u202edesrever\u2066 isolate \u200b\u200f\u05d0\u05d1\u05d2 \u0000 \u0007'
const endless = 'x'.repeat(5000)
const long = 'n'.repeat(250) // with a digit and what names add it is as long as names may be
const label = 'l'.repeat(63)
const wait = { timeout: 60_000 }

const base = '/api/v1/namespaces/shop/configmaps'
const metadata = (name) => ({
  name, namespace: 'shop', labels: { [label]: label, [`${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}.example/${label}`]: label },
  annotations: { run, endless, turned: turned.replace('\u0000', ''), [`${'d'.repeat(63)}.example/${label}`]: `${run} ${endless}`, 'example.org/json': JSON.stringify({ [endless]: run }) },
})

let server, node
before(async () => {
  server = await Server.start()
  node = await Kubelet.start(server)
  await server.create('/api/v1/namespaces', { metadata: { name: 'shop' } })
  await server.create('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'default' } }).catch(() => {})
  for (let i = 0; i < 3; i++) await server.create(base, { metadata: metadata(long + i), data: { run, [`k${long}`]: endless, turned: turned.replace('\u0000', '') } })
  await server.create('/api/v1/namespaces/shop/secrets', { metadata: metadata(long), data: { [`k${long}`]: Buffer.from(run).toString('base64') } })
  await node.pod('shop', long, { containers: ['c'.repeat(63), 'other'] })
  await server.api('PATCH', `/api/v1/namespaces/shop/pods/${long}`, { metadata: { labels: metadata(long).labels, annotations: metadata(long).annotations } }, 'application/merge-patch+json')
  await server.api('PATCH', `/api/v1/namespaces/shop/pods/${long}/status`, { status: {
    conditions: [{ type: 'Ready', status: 'False', reason: 'R'.repeat(200), message: `${run} ${endless}` }, { type: `${'d'.repeat(63)}.example/${label}`, status: 'Unknown', message: turned }],
    containerStatuses: [{ name: 'other', image: 'i', imageID: '', ready: false, restartCount: 2147483647, state: { waiting: { reason: 'W'.repeat(300), message: run + endless } }, lastState: { terminated: { exitCode: 2147483647, reason: run, message: endless } } }],
  } }, 'application/strategic-merge-patch+json')
  const regarding = await server.api('GET', `/api/v1/namespaces/shop/pods/${long}`)
  await server.create('/api/v1/namespaces/shop/events', { metadata: { name: 'e' + long }, type: 'Warning', reason: 'F'.repeat(128), message: `${run} ${'m'.repeat(900)}`, count: 2147483647, source: { component: 's'.repeat(300), host: run }, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z', involvedObject: { apiVersion: 'v1', kind: 'Pod', name: long, namespace: 'shop', uid: regarding.metadata.uid } })
  node.log(`shop/${long}/${'c'.repeat(63)}`, [
    run, turned, 'x'.repeat(10_000), `\x1b[31m${'red '.repeat(2500)}\x1b[0m`, `\x1b]0;title\x07\x1b[2J\x1b[999;999H\x1b[?1049h${'\x1b[1;4;38;5;200mm'.repeat(1500)}`,
    '\u0001\u0002\u0008\u000b\u001f\u007f'.repeat(1600), JSON.stringify({ level: run, message: endless, [endless]: turned, deep: { deeper: [run, endless] } }), `\r${'\t'.repeat(3000)}end`,
  ])
})
after(async () => {
  await quit()
  await node?.stop()
  await server?.stop()
})

// wrong is what is wrong with the page as it is seen: too wide, out of the window,
// one text over another, characters that turn the text.
function wrong() {
  const out = []
  const page = document.scrollingElement
  if (page.scrollWidth > innerWidth) out.push(`the page is ${page.scrollWidth} px wide`)
  if (window.hacked) out.push('a script ran')
  const seen = []
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const el = n.parentElement
    if (!n.data.trim() || !el.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || el.closest('.vh, script, style, textarea, .cm-editor, .xterm, .u-legend')) continue
    if (/[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]/.test(n.data)) out.push(`turned: ${n.data.slice(0, 40)}`)
    const range = document.createRange()
    range.selectNodeContents(n)
    let { left, right, top, bottom } = range.getBoundingClientRect()
    let layer = document.body
    for (let p = el; p && p !== document.body; p = p.parentElement) {
      const style = getComputedStyle(p)
      if (style.overflowX !== 'visible') {
        const box = p.getBoundingClientRect()
        ;[left, right, top, bottom] = [Math.max(left, box.left), Math.min(right, box.right), Math.max(top, box.top), Math.min(bottom, box.bottom)]
      }
      if (layer === document.body && ['fixed', 'sticky', 'absolute'].includes(style.position)) layer = p
    }
    if (right - left < 1 || bottom - top < 1) continue
    if (right > innerWidth + 1 && left < innerWidth) out.push(`out of the window by ${Math.round(right - innerWidth)} px: ${n.data.trim().slice(0, 40)} in ${el.className || el.localName}`)
    seen.push({ n, el, layer, left, right, top, bottom })
  }
  for (const [i, a] of seen.entries()) for (const b of seen.slice(i + 1)) {
    if (a.layer !== b.layer || a.el.contains(b.el) || b.el.contains(a.el)) continue
    const [w, h] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)]
    if (w < 3 || h < 4) continue
    // Texts of several lines are boxes with corners that nothing is in.
    const lines = (x) => { const r = document.createRange(); r.selectNodeContents(x.n); return [...r.getClientRects()].slice(0, 400) }
    const meet = lines(a).some((p) => lines(b).some((q) => Math.min(p.right, q.right, a.right, b.right) - Math.max(p.left, q.left) > 3 && Math.min(p.bottom, q.bottom, a.bottom, b.bottom) - Math.max(p.top, q.top, a.top, b.top) > 4))
    if (meet) out.push(`"${a.n.data.trim().slice(0, 30)}" in ${a.el.className || a.el.localName} lies over "${b.n.data.trim().slice(0, 30)}" in ${b.el.className || b.el.localName}`)
  }
  return [...new Set(out)].slice(0, 8)
}

// fine tells what stays wrong with a page that has come to rest.
async function fine(page, what) {
  await quiet(page, 100)
  let found
  await until(async () => !(found = await page.evaluate(wrong)).length, 5000).catch(() => {}) // what is told in the end
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${what.replace(/\W+/g, '-').slice(0, 60)}.png` })
  return found.map((f) => `${what}: ${f}`)
}

const object = `/ui${base}/${long}0`
const pod = `/ui/api/v1/namespaces/shop/pods/${long}`

test('section 9: pages of hostile objects fit a small window, and nothing in them runs', async () => {
  const c = await context({ viewport })
  const page = await login(server, c)
  const found = []
  for (const [what, path] of Object.entries({
    overview: '/ui/', 'cards of configmaps': `/ui${base}`, 'cards of pods': '/ui/api/v1/pods', 'cards with all columns': '/ui/api/v1/pods?wide=1', 'cards of events': '/ui/api/v1/events', 'cards of secrets': '/ui/api/v1/secrets',
    'cards with columns of labels': `/ui${base}?cols=${encodeURIComponent(label)}`, 'a filter': `/ui${base}?q=${encodeURIComponent(run)}`, watch: `/ui${base}?view=watch`,
    ...Object.fromEntries(['', '?tab=yaml', '?tab=events', '?tab=related', '?tab=access', '?tab=watch', '?tab=history', '?edit=1', '?delete=1'].map((t) => ['a configmap ' + t, object + t])),
    ...Object.fromEntries(['', '?tab=yaml', '?tab=events', '?tab=related', '?tab=access', '?tab=shell', '?delete=1'].map((t) => ['a pod ' + t, pod + t])),
    'a secret': `/ui/api/v1/namespaces/shop/secrets/${long}`, search: '/ui/search?q=' + 'n'.repeat(60), 'search for a script': '/ui/search?q=' + encodeURIComponent(run), 'what is not there': `/ui${base}/${'z'.repeat(253)}`,
    'a user': `/ui/subject?kind=User&name=${encodeURIComponent(run + endless.slice(0, 500))}`, 'who can': `/ui/whocan?verb=get&resource=configmaps&ns=shop&name=${long}0`, changes: '/ui/changes', requests: '/ui/requests', audit: '/ui/audit',
  })) {
    await page.goto(server.url + path)
    found.push(...await fine(page, what))
  }
  assert.deepEqual(found, [])
  await done(c)
})

test('section 9: hostile lines of a log are shown as text', async () => {
  const c = await context({ viewport })
  const page = await login(server, c, 'token-admin', `${pod}?tab=logs&since=all&container=${'c'.repeat(63)}`)
  await live(page)
  await page.waitForFunction(() => document.querySelectorAll('.lr').length >= 8, null, wait)
  const found = await fine(page, 'a log')
  await page.focus('[data-log=lines]')
  await page.keyboard.press('w')
  found.push(...await fine(page, 'a log, the other way of long lines'))
  for (const key of ['Home', 'j', 'j', 'j', 'm']) await page.keyboard.press(key)
  found.push(...await fine(page, 'a log with a mark'))
  for (let i = 0; i < 7; i++) {
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    found.push(...await fine(page, `a log, line ${i} spread out`))
  }
  await page.fill('[data-log=find]', '<img src=x')
  await page.waitForFunction(() => /line/.test(document.querySelector('[data-log=count]').textContent), null, wait)
  found.push(...await fine(page, 'a log, searched'))
  await page.goto(`${server.url}${pod}?tab=logs&since=all&container=*&time=1`)
  await live(page)
  await page.waitForFunction(() => document.querySelectorAll('.lr').length >= 8, null, wait)
  found.push(...await fine(page, 'a log of two containers'))
  await page.click('[data-dock=logs]')
  await page.waitForFunction(() => document.querySelectorAll('#dock .lr').length >= 8, null, wait)
  found.push(...await fine(page, 'a log in the dock'))
  assert.deepEqual(found, [])
  await done(c)
})

test('section 9: toasts, dialogs, palette and a job with the longest names fit a small window', async () => {
  const c = await context({ viewport })
  const page = await login(server, c, 'token-admin', `${object}?delete=1`)
  await page.click('[data-testid=confirm]')
  await page.waitForSelector('[data-work=held] [data-undo]')
  const found = await fine(page, 'a toast of a deletion')
  await page.goto(`${server.url}/ui${base}`)
  await live(page)
  await page.focus('[data-body] tr[data-uid] input[type=checkbox]')
  for (const key of ['x', 'j', 'j', 'x', 'X']) await page.keyboard.press(key)
  found.push(...await fine(page, 'a list with a selection'))
  await page.click('[data-bulk] [data-key=Delete]')
  await page.waitForSelector('dialog[open], [data-testid=confirm]')
  found.push(...await fine(page, 'a deletion of many'))
  await page.goto(server.url + '/ui/')
  await page.click('[data-act=palette]')
  await page.keyboard.insertText('nnnn')
  await page.waitForSelector('#palette [role=option][data-rank]')
  found.push(...await fine(page, 'the palette'))
  await page.keyboard.press('Escape')
  await page.goto(server.url + '/ui/apply')
  await page.waitForSelector('.cm-content')
  await page.click('.cm-content')
  const documents = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata(`new-${long.slice(4)}`) }, data: { run } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata(long + 1) }, data: { run: endless } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${run}${endless}`, namespace: 'shop' } },
    { apiVersion: 'nothing/v1', kind: 'K'.repeat(300), metadata: { name: run } },
  ]
  await page.keyboard.insertText(documents.map((d) => JSON.stringify(d)).join('\n---\n'))
  found.push(...await fine(page, 'an apply'))
  await page.click('button[value=review]')
  await page.waitForSelector('[data-testid=documents]')
  found.push(...await fine(page, 'the review of an apply'))
  await page.click('button[value=save]')
  await page.waitForSelector('[data-testid=progress] >> text=/4 of 4.*done/')
  found.push(...await fine(page, 'a job'))
  await page.goto(`${server.url}/ui${base}`)
  await live(page)
  found.push(...await fine(page, 'toasts of all of it'))
  await page.click('[data-undo]')
  await page.waitForSelector('[data-work=kept]')
  found.push(...await fine(page, 'the toast of an undo'))
  assert.deepEqual(found, [])
  await done(c)
})
