// Runs the browser tests, a file at a time. A file that fails runs once more, at
// the end: a browser on a busy machine is late now and then. What fails twice
// fails, and what needed its second try is named.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const all = process.argv.slice(2)
const files = all.length ? all : readdirSync('e2e/tests').filter((f) => f.endsWith('.test.js')).sort().map((f) => 'e2e/tests/' + f)
const passes = (f) => spawnSync(process.execPath, ['--test', '--test-timeout=600000', f], { stdio: 'inherit' }).status === 0

const late = files.filter((f) => !passes(f))
if (late.length) console.log(`once more: ${late.join(' ')}`)
const failed = late.filter((f) => !passes(f))
for (const f of late) console.log(`${f}: ${failed.includes(f) ? 'FAILED, twice' : 'passed at its second try'}`)
process.exit(failed.length ? 1 : 0)
