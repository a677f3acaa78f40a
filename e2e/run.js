// Runs the browser tests, a file at a time. A file in which tests fail runs once
// more, at the end: a browser on a busy machine is late now and then, and tests of
// a file may build on each other. What fails twice fails; each test that needed
// its second try is named.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const all = process.argv.slice(2)
const files = all.length ? all : readdirSync('e2e/tests').filter((f) => f.endsWith('.test.js')).sort().map((f) => 'e2e/tests/' + f)
const dir = mkdtempSync(join(tmpdir(), 'pilothouse-run-'))

// The time that each test may take is that of its whole file, too: a slow machine
// needs many minutes for those with all pages.
const most = 15 * 60_000

// failures are the tests of a file that fail, null when none does; the file itself
// when it fails without any of them.
function failures(file) {
  const log = join(dir, 'log')
  const reporters = ['spec', 'stdout', 'tap', log].map((r, i) => `--test-reporter${i % 2 ? '-destination' : ''}=${r}`)
  const { status } = spawnSync(process.execPath, ['--test', `--test-timeout=${most}`, ...reporters, file], { stdio: 'inherit' })
  if (status === 0) return null
  const tests = [...readFileSync(log, 'utf8').matchAll(/^ *not ok \d+ - (.*)$/gm)].map((m) => m[1])
  return tests.length ? tests : ['(the file)']
}

const late = new Map()
for (const f of files) {
  const tests = failures(f)
  if (tests) late.set(f, tests)
}
if (late.size) console.log(`once more: ${[...late.keys()].join(' ')}`)
const told = []
let failed = false
for (const [f, first] of late) {
  const second = failures(f) ?? []
  for (const t of new Set([...first, ...second])) {
    const twice = first.includes(t) && second.includes(t)
    failed ||= twice
    told.push(`${twice ? 'FAILED twice' : first.includes(t) ? 'passed at its second try' : 'passed at its first try only'}: ${f}: ${t}`)
  }
}
rmSync(dir, { recursive: true })
for (const line of told) console.log(line)
process.exit(failed ? 1 : 0)
