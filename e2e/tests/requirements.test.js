// The table of contents of the browser tests: each requirement has tests that begin
// with its number, and a row in the documentation that names files that exist.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'

const here = new URL('.', import.meta.url)
const requirements = Array.from({ length: 25 }, (_, i) => `R${i + 1}`)

/** titles are those of all browser tests, with their files. */
const titles = readdirSync(here).filter((f) => f.endsWith('.test.js')).flatMap((file) =>
  [...readFileSync(new URL(file, here), 'utf8').matchAll(/^\s*test\((['`])(.*?)\1,/gm)].map((m) => ({ file, title: m[2] })))

test('each requirement has a test that begins with its number', () => {
  assert.ok(titles.length > 100, `only ${titles.length} tests were found: is the pattern still right?`)
  const without = requirements.filter((r) => !titles.some((t) => t.title.startsWith(r + ': ')))
  assert.deepEqual(without, [])
  const unknown = titles.filter((t) => /^R\d+/.test(t.title) && !requirements.includes(t.title.match(/^R\d+/)[0]))
  assert.deepEqual(unknown, [])
})

test('the documentation has a row for each, with the files of its tests', () => {
  const [, table] = readFileSync(new URL('../../docs/dashboard.md', here), 'utf8').split('| | state | test | missing |')
  const rows = [...table.split('\n\n')[0].matchAll(/^\| R(\d+)(?:-R(\d+))? [^|]*\|.*\|([^|]*)\|[^|]*\|$/gm)]
  const covered = rows.flatMap(([, from, to]) => Array.from({ length: (to ?? from) - from + 1 }, (_, i) => `R${Number(from) + i}`))
  assert.deepEqual(requirements.filter((r) => !covered.includes(r)), [])
  for (const [row, , , files] of rows) {
    for (const file of files.split(',').map((f) => f.trim())) assert.ok(file === 'all' || existsSync(new URL(`${file}.test.js`, here)), `${row} names ${file}`)
  }
})
