// The pictures of docs/, taken anew of what the present tree shows: npm run pictures
//
// Needs a Chromium in the PATH, or FAULTLINE_CHROMIUM.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { command } from '../built.ts'
import { findChromium, Tab } from '../report/html/browser.ts'

const ROOT = path.join(import.meta.dirname, '../..')
/** Steps of a schedule that are looked at for the moment of the picture. */
const STEPS_MOST = 500

const chromium = findChromium()
if (chromium === null) throw new Error('there is no Chromium (see FAULTLINE_CHROMIUM)')

/** Rows of threads are drawn a few at a time, when the browser has nothing else to do. */
const RESTED = `new Promise((done) => {
  let left = 100
  const again = () => (--left === 0 ? done() : requestIdleCallback(again))
  again()
})`

const idle = `!document.body.hasAttribute('aria-busy')`

async function look(tab: Tab, width: number, height: number, scheme: 'light' | 'dark'): Promise<void> {
  await tab.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  await tab.call('Emulation.setScrollbarsHidden', { hidden: true })
  await tab.call('Emulation.setEmulatedMedia', {
    features: [{ name: 'prefers-color-scheme', value: scheme }],
  })
}

async function take(tab: Tab, name: string): Promise<void> {
  if (tab.problems.length > 0) throw new Error(tab.problems.join('\n'))
  const { data } = await tab.call('Page.captureScreenshot', { format: 'png' })
  writeFileSync(path.join(ROOT, 'docs', name), Buffer.from(String(data), 'base64'))
  console.log(`docs/${name}`)
}

/** What `npm start` shows. */
async function report(tab: Tab, folder: string): Promise<void> {
  const trace = path.join(ROOT, 'test/fixtures/traces/node-workers.perf.txt.gz')
  const output = path.join(folder, 'report.html')
  execFileSync(process.execPath, [command, 'replay', trace, '--output', output], { stdio: 'ignore' })
  for (const scheme of ['light', 'dark'] as const) {
    await look(tab, 1000, 1960, scheme)
    await tab.goTo('about:blank')
    await tab.goTo(pathToFileURL(output).href)
    await tab.until(`document.querySelectorAll('#timeline canvas').length === 2`)
    await tab.evaluate(RESTED)
    await take(tab, scheme === 'light' ? 'report.png' : 'report-dark.png')
  }
}

/** R10: an entry is installed in a page that munmap has taken. */
async function kernel(tab: Tab, url: string): Promise<void> {
  await look(tab, 1100, 1120, 'dark')
  await tab.goTo(`${url}kernel.html#scenario=fault-munmap&design=kamezawa-2009-refcount&published=true`)
  await tab.until(`document.querySelectorAll('.cpu').length > 1 && ${idle}`)
  await tab.press('b')
  await tab.until(idle)
  for (let step = 0; step < STEPS_MOST; step++) {
    const space = String(await tab.evaluate(`document.getElementById('space').textContent`))
    if (/now \[0x1001-0x1004\][\s\S]*pte\[0x1000\]frame/.test(space)) return take(tab, 'workbench-kernel.png')
    await tab.press('n')
    await tab.until(idle)
  }
  throw new Error('the race was not seen')
}

async function scaling(tab: Tab, url: string): Promise<void> {
  await look(tab, 1000, 1180, 'light')
  await tab.goTo(`${url}scaling.html`)
  await tab.until(`!document.getElementById('cpus').disabled`)
  await tab.evaluate(`(() => {
    document.getElementById('workload').value = 'fault-beside-writer'
    document.getElementById('machine').value = 'skylake-2s'
    document.getElementById('workload').dispatchEvent(new Event('input', { bubbles: true }))
  })()`)
  await tab.until(`document.getElementById('command').textContent.includes('fault-beside-writer') && ${idle}`)
  await take(tab, 'workbench-scaling.png')
}

async function serve(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [command, 'serve', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [text] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string]
  return { child, url: /http:\S+\//.exec(text)![0] }
}

const folder = mkdtempSync(path.join(tmpdir(), 'faultline-pictures-'))
const server = await serve()
const tab = await Tab.open(chromium)
try {
  await report(tab, folder)
  await kernel(tab, server.url)
  await scaling(tab, server.url)
} finally {
  await tab.close()
  server.child.kill('SIGTERM')
  rmSync(folder, { recursive: true })
}
