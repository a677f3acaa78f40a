// Every view with canned data: all of it there, and nothing of it.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { context, done, quit, until } from '../harness.js'

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

let dir, book, url
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilothouse-storybook-'))
  const program = join(dir, 'storybook')
  execFileSync('go', ['build', '-o', program, './e2e/storybook'], { cwd: new URL('../..', import.meta.url).pathname })
  book = spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  book.stdout.on('data', (b) => { said += b })
  url = (await until(() => said.match(/http:\S+/)))[0]
})
after(async () => {
  await quit()
  book?.kill()
  rmSync(dir, { recursive: true, force: true })
})

// What is a matter of a whole page's order is none of canned data.
const rules = Object.fromEntries(['heading-order', 'page-has-heading-one'].map((id) => [id, { enabled: false }]))

const looks = process.env.AXE === 'all'
  ? ['full', 'empty'].flatMap((state) => ['dark', 'light', 'contrast'].flatMap((theme) => [1440, 375].map((width) => [state, theme, width])))
  : [['full', 'dark', 1440]]
for (const [state, theme, width] of looks) {
  test(`R8: axe finds nothing in any view: ${state}, ${theme} at ${width} px`, async () => {
    const c = await context({ viewport: { width, height: 800 } })
    const page = await c.newPage()
    const list = (await (await fetch(url + '/list')).text()).trim().split('\n').map((l) => l.split(' ')).filter((l) => l[1] === state)
    assert.ok(list.length > 40)
    const found = []
    for (const [view] of list) {
      await page.goto(`${url}/story/${view}/${state}?theme=${theme}`)
      found.push(...(await page.evaluate(async ([source, rules]) => {
        if (!window.axe) (0, eval)(source)
        const r = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], rules })
        return r.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.html.slice(0, 120)} ${n.failureSummary.split('\n')[1]}`).join('; ')}`)
      }, [axe, rules])).map((f) => `${view}: ${f}`))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) found.push(`${view} is ${wide} px too wide`)
    }
    assert.deepEqual(found, [])
    await done(c)
  })
}
