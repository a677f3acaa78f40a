// Has Lighthouse look at the dashboard, as a report: `make lighthouse`. It is no
// part of the tests, because it is large (npx fetches this version of it) and
// needs a machine that does nothing else.
//
//   node e2e/lighthouse.js [desktop|mobile] [PATH]...
//
// Scores below the goals end it with 1; REPORTS=folder keeps its reports.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cluster, kinds } from './fixture.js'
import { Server, alone } from './harness.js'

const version = '12.8.2' // the last that runs on Node 20
// In percent: performance, accessibility, best practices.
const goals = { desktop: [98, 100, 100], mobile: [95, 95, 95] }
const categories = ['performance', 'accessibility', 'best-practices']
const run = promisify(execFile)

const [form, ...chosen] = process.argv.slice(2)
const forms = form ? [form] : Object.keys(goals)
const out = process.env.REPORTS ?? mkdtempSync(join(tmpdir(), 'lighthouse-'))
mkdirSync(out, { recursive: true })

async function look(port, url, form, name) {
  const path = join(out, `${form}-${name}.json`)
  await run('npx', [
    '--yes', `lighthouse@${version}`, url, `--port=${port}`, '--output=json', `--output-path=${path}`, '--quiet',
    `--only-categories=${categories.join()}`, ...(form === 'desktop' ? ['--preset=desktop'] : []),
  ], { maxBuffer: 64 << 20 })
  return JSON.parse(readFileSync(path, 'utf8'))
}

// lacking names what a report finds fault with.
const lacking = (report, category) => report.categories[category].auditRefs
  .filter((r) => r.weight > 0).map((r) => report.audits[r.id]).filter((a) => a.score !== null && a.score < 0.9)
  .map((a) => `${a.id}${a.displayValue ? ` (${a.displayValue})` : ''}`)

let missed = 0
function tell(form, path, report) {
  for (const [i, category] of categories.entries()) {
    const score = Math.round(report.categories[category].score * 100)
    const good = score >= goals[form][i]
    if (!good) missed++
    console.log(`${form.padEnd(8)}${path.padEnd(44)}${category.padEnd(16)}${String(score).padStart(4)} ${good ? '' : '< ' + goals[form][i]} ${lacking(report, category).join(', ')}`)
  }
}

const server = await Server.start()
const browser = await alone()
try {
  const { pods } = await cluster(server, Number(process.env.PODS ?? 300))
  await kinds(server)
  const { namespace, name } = pods[0].metadata
  const paths = chosen.length ? chosen : ['/login', '/ui/', '/ui/api/v1/pods', `/ui/api/v1/namespaces/${namespace}/pods/${name}`, '/ui/explore']
  let within = false
  for (const path of paths) {
    if (path !== '/login' && !within) {
      await browser.login(server)
      within = true
    }
    for (const form of forms) tell(form, path, await look(browser.port, server.url + path, form, path.replaceAll('/', '_')))
  }
} finally {
  await browser.close()
  await server.stop()
  if (!process.env.REPORTS) rmSync(out, { recursive: true, force: true })
}
process.exitCode = missed ? 1 : 0
