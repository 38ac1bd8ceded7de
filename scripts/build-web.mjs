// Builds web/ into dist/web: static files, with the kernel in its steppable form among them.
// With --if-needed it does nothing where they are up to date. They are made beside their place and renamed into it.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'
import { kernelProbes } from '../src/check/detectors.ts'
import { tables } from '../src/check/scenarios/index.ts'
import { uPlotScript } from '../src/report/html/scripts.ts'
import { costProbes } from '../src/simulate/charges.ts'
import { steppedPlugin } from './stepped-plugin.ts'
import { inputOptions } from './kernel-bundle.ts'
import { dist, root } from './paths.mjs'
import { say } from './prepare.mjs'

const folder = join(dist, 'web')
const fresh = join(root, 'dist.web')
const digestFile = join(folder, '.digest')

/** The programs that pages step, see stepped-plugin.ts. */
const programs = {
  scenarios: {
    entries: Object.fromEntries(
      tables.map((table) => [table.replaceAll('-', '_'), `src/check/scenarios/${table}.ts`]),
    ),
    options: { trace: true, spins: 'spins', probes: kernelProbes },
  },
  workloads: {
    entries: { machine: 'src/simulate/stepped-machine.ts' },
    options: { probes: costProbes },
  },
}
const replaced = {
  'src/backends/stepped/index.ts': 'src/backends/stepped/run.ts',
  'src/simulate/load-machine.ts': 'web/scaling/load-machine.ts',
}

/** What a page has of Node is an error here, and not when it is used. */
const withoutNode = {
  name: 'without-node',
  enforce: 'pre',
  resolveId: (source) =>
    source.startsWith('node:') ? { id: source, external: true, moduleSideEffects: false } : null,
  generateBundle(_, bundle) {
    for (const { fileName, imports = [], modules } of Object.values(bundle)) {
      const used = imports.find((each) => each.startsWith('node:'))
      if (used === undefined) continue
      const importers = this.getModuleInfo(used)?.importers ?? []
      const kept = importers.filter((id) => modules[id]?.renderedLength > 0)
      throw new Error(`${fileName} uses ${used}, perhaps because of ${kept.join(', ')}`)
    }
  },
}

/** uPlot as the page of a report has it, which asks nothing of the language of the browser: see uPlotScript(). */
const plainUPlot = {
  name: 'plain-uplot',
  enforce: 'pre',
  resolveId: (source) => (source === 'plain:uplot' ? '\0plain:uplot' : null),
  load: (id) => (id === '\0plain:uplot' ? `${uPlotScript()}\nexport default uPlot` : null),
}

/** The source of the kernel, for the page that shows it beside a step. */
const kernelSource = {
  name: 'kernel-source',
  generateBundle() {
    const files = readdirSync(join(root, 'src'), { recursive: true })
      .map((path) => `src/${String(path).replaceAll('\\', '/')}`)
      .filter((path) => /^src\/(kernel|check)\/.*\.ts$/.test(path))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')])
    this.emitFile({
      type: 'asset',
      fileName: 'kernel-source.json',
      source: JSON.stringify(Object.fromEntries(files)),
    })
  },
}

if (process.argv[2] !== '--if-needed' || !isBuilt()) await buildWeb()

function isBuilt() {
  return existsSync(digestFile) && readFileSync(digestFile, 'utf8') === sourceDigest()
}

async function buildWeb() {
  say('building the workbench')
  const digest = sourceDigest()
  const plugins = () => [steppedPlugin(programs, replaced), withoutNode]
  await build({
    root: join(root, 'web'),
    configFile: false,
    envDir: false,
    base: './',
    publicDir: false,
    logLevel: 'warn',
    plugins: [...plugins(), plainUPlot, kernelSource],
    worker: { format: 'es', plugins, rolldownOptions: inputOptions },
    build: {
      outDir: fresh,
      emptyOutDir: true,
      target: 'es2024',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 4096,
      rolldownOptions: {
        ...inputOptions,
        input: ['index', 'kernel', 'scaling'].map((page) => join(root, 'web', `${page}.html`)),
      },
    },
  })
  writeFileSync(join(fresh, '.digest'), digest)
  mkdirSync(dist, { recursive: true })
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
}

/** Digest of all that the build depends on. */
function sourceDigest() {
  const hash = createHash('sha256')
  const files = ['src', 'web'].flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort(),
  )
  for (const file of [...files, join(root, 'package-lock.json'), join(root, 'scripts/build-web.mjs')])
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0')
  return hash.digest('hex')
}
