// Makes dist from src: bundles, hashed names, compressed forms, manifest.json.
// `npm run check` tells whether dist is what src gives. Either fails when a script
// shows text that is not from the catalogue of messages.
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { brotliCompressSync, constants } from 'node:zlib'
import { build, transform } from 'esbuild'
import { check as checkWords } from './words.mjs'

const here = new URL('.', import.meta.url).pathname
const dist = here + 'dist/'

// xterm writes styles in two ways that the policy of the pages forbids: style
// elements without a nonce, and style attributes.
const terminal = {
  name: 'terminal under a strict policy',
  setup(b) {
    b.onLoad({ filter: /@xterm[/]xterm[/]lib[/]xterm[.]mjs$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8')
      const change = (from, to, times) => {
        const found = contents.match(from)?.length ?? 0
        if (found !== times) throw new Error(`${from} is ${found} times in xterm, not ${times}: look at the new version`)
        contents = contents.replace(from, to)
      }
      change(/([\w.]+)[.]createElement\("style"\)/g, 'Object.assign($1.createElement("style"),{nonce:document.querySelector("script[type=module]")?.nonce??""})', 3)
      change(/(\w+)[.]setAttribute\("style",`\$\{\1[.]getAttribute\("style"\)\|\|""\}\$\{(\w+)\};`\)/g, '$1.style.cssText+=$2', 1)
      return { contents, loader: 'js' }
    })
    b.onLoad({ filter: /@xterm[/]xterm[/]css[/]xterm[.]css$/ }, async ({ path }) => ({ contents: (await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true, legalComments: 'none' })).code, loader: 'text' }))
  },
}

// What the editor has for logs of its parser, for Internet Explorer, for the
// EditContext of Chrome on Android, where it does without as elsewhere, and for
// comments that YAML has not, makes it 5 KB larger.
const editor = {
  name: 'editor without what no page needs',
  setup(b) {
    const without = (filter, changes) => b.onLoad({ filter }, async ({ path }) => {
      let contents = await readFile(path, 'utf8')
      for (const [from, to] of changes) {
        if (!contents.match(from)) throw new Error(`${from} is not in ${path}: look at the new version`)
        contents = contents.replace(from, to)
      }
      return { contents, loader: 'js' }
    })
    without(/@lezer[/]lr[/]dist[/]index[.]js$/, [[/\bverbose\b(?! =)/g, 'false']])
    without(/@codemirror[/]view[/]dist[/]index[.]js$/, [[/browser[.]ie_version\b/g, '0'], [/browser[.]ie\b/g, 'false'],
      [/window[.]EditContext && browser[.]android && [^{]*\{/, 'false) {']])
    without(/@codemirror[/]commands[/]dist[/]index[.]js$/, [[/\{ key: "Alt-A", mac: "Ctrl-A", run: toggleBlockComment \},/, ''], [/run: toggleComment \}/, 'run: toggleLineComment }'],
      [/\{ key: "Mod-Enter", run: insertBlankLine \},/, '']])
  },
}

async function bundle() {
  const result = await build({
    absWorkingDir: here,
    entryPoints: ['src/app.js', 'src/app.css'],
    outdir: 'dist',
    bundle: true,
    splitting: true,
    format: 'esm',
    target: ['chrome111', 'firefox115', 'safari16.4'],
    minify: true,
    legalComments: 'none',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    metafile: true,
    plugins: [terminal, editor],
    write: false,
  })
  const files = new Map(result.outputFiles.map((f) => [f.path.split('/').pop(), Buffer.from(f.contents)]))
  const names = {}
  const needs = {} // which files a script imports at once, beside itself when it is imported itself
  const file = (path) => path.split('/').pop()
  for (const [path, out] of Object.entries(result.metafile.outputs)) {
    const entry = out.entryPoint?.slice(4)
    if (entry?.startsWith('app.')) names[entry] = file(path)
    const imports = out.imports.filter((i) => i.kind === 'import-statement').map((i) => file(i.path))
    if (entry === 'app.js') needs[entry] = imports
    if (entry === 'editor.js') needs[entry] = [file(path), ...imports]
  }
  const icon = await readFile(here + 'src/icon.svg')
  names['icon.svg'] = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`
  files.set(names['icon.svg'], icon)
  files.set('manifest.json', Buffer.from(JSON.stringify({ names, needs }, null, 2) + '\n'))
  return files
}

async function check(files) {
  const there = (await readdir(dist)).filter((n) => !n.endsWith('.br'))
  const stale = there.filter((n) => !files.has(n))
  for (const [name, content] of files) {
    const now = await readFile(dist + name).catch(() => null)
    if (!now?.equals(content)) stale.push(name)
  }
  if (stale.length) {
    console.error('static/dist is not what static/src gives; run make static:', stale.join(' '))
    process.exit(1)
  }
}

async function write(files) {
  await rm(dist, { recursive: true, force: true })
  await mkdir(dist)
  for (const [name, content] of files) {
    await writeFile(dist + name, content)
    if (name === 'manifest.json') continue
    await writeFile(dist + name + '.br', brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  }
}

async function words() {
  const scripts = (await readdir(here + 'src')).filter((n) => n.endsWith('.js'))
  const wrong = await Promise.all(scripts.map(async (n) => checkWords('static/src/' + n, await readFile(here + 'src/' + n, 'utf8'))))
  if (!wrong.flat().length) return
  console.error(wrong.flat().join('\n'))
  process.exit(1)
}

await words()
const files = await bundle()
if (process.argv.includes('--check')) await check(files)
else await write(files)
