// The program that takes the pictures of docs/images still can, at one size and
// without the overview, whose plots need minutes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('the pictures of the documentation can be taken', async (t) => {
  const out = mkdtempSync(join(tmpdir(), 'pilothouse-pictures-'))
  t.after(() => rmSync(out, { recursive: true }))
  const names = ['pods', 'panel', 'logs', 'shell', 'review', 'watch', 'explorer', 'palette', 'who-can']
  const taking = spawn(process.execPath, [new URL('../screenshots.js', import.meta.url).pathname, '--out', out, '--look', 'light-phone', '--only', `^(${names.join('|')})$`], { stdio: ['ignore', 'ignore', 'inherit'] })
  assert.equal(await new Promise((ok) => taking.once('exit', ok)), 0)
  assert.deepEqual(readdirSync(out).sort(), names.map((n) => `${n}-light-phone.png`).sort())
  for (const n of names) {
    const png = readFileSync(join(out, `${n}-light-phone.png`))
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [375, 812], n)
  }
})
