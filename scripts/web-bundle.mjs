// The pages of the workbench, bundled: see build-web.mjs.

import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'vite'
import { steppedForm } from '../src/backends/stepped/load.ts'
import { kernelProbes } from '../src/check/kernel-probes.ts'
import { tables } from '../src/check/scenarios/index.ts'
import { costProbes } from '../src/simulate/charges.ts'
import { steppedPlugin } from './stepped-plugin.ts'
import { inputOptions } from './kernel-bundle.ts'
import { dist, root } from './paths.mjs'

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
  'src/report/html/scripts.ts': 'web/report/scripts.ts',
  'src/trace/spool-file.ts': 'web/report/spool-file.ts',
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
  load: (id) => (id === '\0plain:uplot' ? `${report.uPlotScript()}\nexport default uPlot` : null),
}

/** The scripts and styles of a report's page, made here: a browser cannot read them from files. */
const reportParts = {
  name: 'report-parts',
  enforce: 'pre',
  resolveId: (source) => (source === 'plain:report' ? '\0plain:report' : null),
  load: (id) => (id === '\0plain:report' ? `export const parts = ${JSON.stringify(partsOfReports())}` : null),
}

/** Their texts with the digests that a policy names. */
function partsOfReports() {
  const withDigest = (text) => ({ text, digest: report.digestOf(text) })
  return {
    style: withDigest(report.pageStyle()),
    uPlot: withDigest(report.uPlotScript()),
    ...Object.fromEntries(
      ['timeline', 'what-if', 'flame', 'steps'].map((name) => [name, withDigest(report.clientScript(name))]),
    ),
  }
}

/** The server lets pages run these scripts too: a report is shown within the page that made it. */
const inlinePolicy = {
  name: 'inline-policy',
  generateBundle() {
    const { style, ...scripts } = partsOfReports()
    const source = JSON.stringify({
      scripts: Object.values(scripts).map(({ digest }) => digest),
      styles: [style.digest],
    })
    this.emitFile({ type: 'asset', fileName: 'inline.json', source })
  },
}

/** A recording to begin with. */
const sample = {
  name: 'sample',
  generateBundle() {
    const source = readFileSync(join(root, 'test/fixtures/traces/redis-bgsave.perf.txt.gz'))
    this.emitFile({ type: 'asset', fileName: 'sample.perf.txt.gz', source })
  },
}

/** The sources that a step can be in, for the page that shows them beside it. */
const kernelSource = {
  name: 'kernel-source',
  async generateBundle() {
    const { entries, options } = programs.scenarios
    const urls = Object.values(entries).map((path) => pathToFileURL(join(root, path)))
    const { sites } = await steppedForm(urls, options)
    const files = [...new Set(sites.map(({ file }) => file))].sort()
    const texts = files.map((file) => [
      relative(root, file).replaceAll('\\', '/'),
      readFileSync(file, 'utf8'),
    ])
    this.emitFile({
      type: 'asset',
      fileName: 'kernel-source.json',
      source: JSON.stringify(Object.fromEntries(texts)),
    })
  },
}

/** What a report's page is made of, as it is built: so a report is the same from here and from the command. */
let report

/** Writes the pages and all that they need into `folder`. */
export async function bundleWeb(folder) {
  report = await import(pathToFileURL(join(dist, 'report/html/scripts.js')).href)
  const plugins = () => [steppedPlugin(programs, replaced), reportParts, withoutNode]
  await build({
    root: join(root, 'web'),
    configFile: false,
    envDir: false,
    base: './',
    publicDir: false,
    // The checkout may be built by another name: see build-web.mjs.
    resolve: { preserveSymlinks: true },
    logLevel: 'warn',
    plugins: [...plugins(), plainUPlot, inlinePolicy, sample, kernelSource],
    worker: { format: 'es', plugins, rolldownOptions: inputOptions },
    build: {
      outDir: folder,
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
}
