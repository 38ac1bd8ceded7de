// The page in a real browser, where the machine has a Chromium: its scripts run, nothing is loaded, the keyboard works.

import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { htmlPage } from '../../../src/report/index.ts'
import { findChromium, Tab } from './browser.ts'
import { runOf, whatIfOf } from '../what-if-objects.ts'
import { contentOf } from './large-trace.ts'

const whatIf = whatIfOf([
  runOf({ elapsedMs: [190, 210] }),
  runOf({ design: 'classic', elapsedMs: [200, 230] }),
  runOf({ cpus: 8, elapsedMs: [80, 90] }),
])

const chromium = findChromium()
const file = join(tmpdir(), `faultline-page-${process.pid}.html`)

describe(
  'the page in a browser',
  { skip: chromium === null && 'there is no Chromium (see FAULTLINE_CHROMIUM)' },
  () => {
    let tab: Tab

    before(async () => {
      const comms = ['</script><b>x', '<img src=x>', 'worker']
      writeFileSync(file, htmlPage(await contentOf({ threads: 9, events: 6000, comms }, { whatIf })))
      tab = await Tab.open(chromium!)
      await tab.goTo(pathToFileURL(file).href)
    })

    after(async () => {
      await tab.close()
      rmSync(file)
    })

    it('draws its charts when they come into sight, and loads nothing', async () => {
      await tab.until(`document.querySelectorAll('#chart-whatif canvas').length === 1`)
      await tab.evaluate(`document.getElementById('chart-timeline').scrollIntoView()`)
      await tab.until(`document.querySelectorAll('#chart-timeline canvas').length === 2`)
      assert.deepEqual(tab.requests, [pathToFileURL(file).href])
      assert.deepEqual(tab.problems, [])
      assert.equal(await tab.evaluate(`document.querySelectorAll('b, img').length`), 0)
    })

    it('is used by keyboard', async () => {
      await tab.evaluate(`document.getElementById('chart-timeline').focus()`)
      const read = (): Promise<unknown> =>
        tab.evaluate(`document.getElementById('read-timeline').textContent`)
      await tab.press('Home')
      const first = String(await read())
      assert.match(
        first,
        /at [\d.]+ ms: waited [\d.]+ %, held for writing [\d.]+ %, for reading [\d.]+ %; \d+ page faults$/,
      )
      await tab.press('ArrowRight')
      const second = String(await read())
      assert.notEqual(second, first)
      for (const key of ['+', '-', 'ArrowDown', 'ArrowUp']) await tab.press(key)
      assert.equal(await read(), second)
      const label = (): Promise<unknown> => tab.evaluate('document.activeElement.getAttribute("aria-label")')
      await tab.evaluate(`document.querySelector('#flame-call .frame').focus()`)
      assert.match(String(await label()), /^all waits: /)
      await tab.press('ArrowDown')
      assert.match(String(await label()), /^program \(100\): /)
      await tab.press('ArrowDown')
      await tab.press('Enter')
      const hidden = `[...document.querySelectorAll('#flame-call .frame')].some((frame) => frame.style.display === 'none')`
      assert.equal(await tab.evaluate(hidden), true)
      await tab.press('Escape')
      assert.equal(await tab.evaluate(hidden), false)
    })

    it('is dark where the system is, charts too', async () => {
      const ground = 'getComputedStyle(document.body).backgroundColor'
      const light = await tab.evaluate(ground)
      await tab.evaluate(`document.querySelector('canvas').dataset.old = 'yes'`)
      await tab.call('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-color-scheme', value: 'dark' }],
      })
      assert.notEqual(await tab.evaluate(ground), light)
      await tab.until(
        `document.querySelectorAll('canvas').length === 3 && !document.querySelector('canvas[data-old]')`,
      )
      assert.deepEqual(tab.problems, [])
    })

    it('says everything without scripts', async () => {
      await tab.call('Emulation.setScriptExecutionDisabled', { value: true })
      await tab.goTo(pathToFileURL(file).href)
      const rows = await tab.evaluate(`document.querySelectorAll('#timeline tbody tr').length`)
      assert.ok(Number(rows) > 9, `${String(rows)} rows`)
      assert.equal(await tab.evaluate(`document.getElementById('chart-timeline').checkVisibility()`), false)
    })
  },
)
