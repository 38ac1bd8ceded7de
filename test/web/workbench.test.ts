// The workbench as its users have it: `faultline serve`, and its pages in a real browser, held against the command.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync, zstdCompressSync } from 'node:zlib'
import { checkKernelScenario } from '../../src/check/index.ts'
import { checkPublished } from '../../src/check/check-published.ts'
import { serveFolder } from '../../src/serve/server.ts'
import { findMachine, findSimulatedWorkload, simulate } from '../../src/simulate/index.ts'
import { command } from '../built.ts'
import { faultlineAlone } from '../cli/command.ts'
import { Tab, findChromium } from '../report/html/browser.ts'

const chromium = findChromium()
const recording = fileURLToPath(new URL('../fixtures/traces/node-workers.perf.txt.gz', import.meta.url))
const forked = fileURLToPath(new URL('../fixtures/traces/redis-bgsave.perf.txt.gz', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'faultline-workbench-'))
/** The pages, as the command builds them. */
const built = fileURLToPath(new URL('../../.build/web', import.meta.url))
/** After so many pictures a frame is taken to stay blank. */
const PICTURES_MOST = 200

/** Starts the command, which builds the pages where they are not up to date, and waits until it listens. */
async function serve(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [command, 'serve', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the server has ended')))
  const said = once(child.stdout!.setEncoding('utf8'), 'data') as Promise<[string]>
  const [text] = await Promise.race([said, ended])
  ended.catch(() => {})
  return { child, url: /http:\S+\//.exec(text)![0] }
}

describe('faultline serve', () => {
  it('listens where it says, and a signal ends it', async () => {
    const { child, url } = await serve()
    const response = await fetch(url)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /<title>Faultline: a recording<\/title>/)
    const exit = once(child, 'exit')
    child.kill('SIGINT')
    assert.deepEqual(await exit, [null, 'SIGINT'])
  })

  it('refuses a port that is none, and one that is taken', async () => {
    const wrong = await faultlineAlone(['serve', '--port', '70000'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /--port/)
    const { child, url } = await serve()
    const taken = await faultlineAlone(['serve', '--port', new URL(url).port])
    child.kill('SIGTERM')
    assert.deepEqual([taken.code, taken.stdout], [2, ''])
    assert.match(taken.stderr, /^faultline: port \d+ is in use — give another, or --port 0\n$/)
  })
})

describe(
  'the pages in a browser',
  { skip: chromium === null && 'there is no Chromium (see FAULTLINE_CHROMIUM)' },
  () => {
    let tab: Tab
    let server: { child: ChildProcess; url: string }

    before(async () => {
      server = await serve()
      tab = await Tab.open(chromium!)
    })
    after(async () => {
      await tab.close()
      server.child.kill('SIGTERM')
      rmSync(folder, { recursive: true })
    })

    const idle = (): Promise<void> => tab.until(`!document.body.hasAttribute('aria-busy')`)
    const textOf = async (id: string): Promise<string> =>
      String(await tab.evaluate(`document.getElementById('${id}').textContent`))
    /** Presses the key of a digit with Shift, as a keyboard has it. */
    const pressShifted = async (digit: number): Promise<void> => {
      for (const type of ['keyDown', 'keyUp'])
        await tab.call('Input.dispatchKeyEvent', {
          type,
          key: ')!@#$%^&*('[digit],
          code: `Digit${digit}`,
          modifiers: 8,
        })
      await idle()
    }
    const openKernel = async (choice: Readonly<Record<string, string>>): Promise<void> => {
      // Another part of the same address would load nothing.
      await tab.goTo('about:blank')
      await tab.goTo(`${server.url}kernel.html#${new URLSearchParams(choice).toString()}`)
      await tab.until(`document.querySelectorAll('.cpu').length > 1`)
      await idle()
    }

    it('a recording gives the page that the command writes, and nothing leaves', async () => {
      await tab.goTo(server.url)
      const { root } = await tab.call('DOM.getDocument')
      const { nodeId } = await tab.call('DOM.querySelector', {
        nodeId: (root as { nodeId: number }).nodeId,
        selector: '#file',
      })
      await tab.call('DOM.setFileInputFiles', { nodeId, files: [recording] })
      await tab.until(`!document.getElementById('report').hidden`)
      const output = join(folder, 'report.html')
      const { code } = await faultlineAlone(['report', recording, '--output', output])
      assert.equal(code, 0)
      assert.equal(
        await tab.evaluate(`document.getElementById('report').srcdoc`),
        readFileSync(output, 'utf8'),
      )
      const json = await faultlineAlone(['report', recording, '--json'])
      const { verdict } = JSON.parse(json.stdout) as { verdict: { summary: string } }
      assert.equal(await textOf('status'), verdict.summary)
      assert.ok(tab.requests.every((url) => url.startsWith(server.url)))
      assert.deepEqual(tab.problems, [])
    })

    /** Drops files with these bytes on the page, the last the oldest, and gives what is said of them. */
    const dropAll = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
      await tab.evaluate(`(() => {
        const files = new DataTransfer()
        ${Object.entries(files)
          .map(
            ([name, bytes], age) => `files.items.add(new File(
          [Uint8Array.fromBase64('${Buffer.from(bytes).toString('base64')}')],
          '${name}',
          { lastModified: ${1000 - age} }
        ))`,
          )
          .join('\n')}
        dispatchEvent(new DragEvent('drop', { dataTransfer: files, cancelable: true }))
      })()`)
      await idle()
      return textOf('status')
    }
    const drop = (name: string, bytes: Uint8Array): Promise<string> => dropAll({ [name]: bytes })

    it('two recordings are compared as the command does, the older one first', async () => {
      const [later, earlier] = [recording, forked].map((path) => readFileSync(path))
      const said = await dropAll({ 'after.perf.txt.gz': later!, 'before.perf.txt.gz': earlier! })
      const pair = [join(folder, 'before.perf.txt.gz'), join(folder, 'after.perf.txt.gz')] as const
      writeFileSync(pair[0], earlier!)
      writeFileSync(pair[1], later!)
      const output = join(folder, 'compared.html')
      const { stdout } = await faultlineAlone(['report', '--compare', ...pair, '--output', output, '--json'])
      const { comparison } = JSON.parse(stdout) as { comparison: { summary: string } }
      assert.equal(said, `before.perf.txt.gz, then after.perf.txt.gz: ${comparison.summary}`)
      assert.equal(
        await tab.evaluate(`document.getElementById('report').srcdoc`),
        readFileSync(output, 'utf8'),
      )
      assert.equal(await tab.evaluate(`document.getElementById('save').download`), 'before-after.html')
      assert.match(await dropAll({ a: later!, b: later!, c: later! }), /more than two files/)
      // What failed leaves no report of something else beside it.
      assert.match(await drop('no.txt', Buffer.from('no recording')), /no\.txt/)
      assert.equal(await tab.evaluate(`document.getElementById('report').hidden`), true)
      assert.deepEqual(tab.problems, [])
    })

    it('a recording that was dropped is compared with an earlier one that is chosen then', async () => {
      const [later, earlier] = [recording, forked].map((path) => readFileSync(path))
      await drop('after.perf.txt.gz', later!)
      await tab.evaluate(`(() => {
        const bytes = Uint8Array.from(atob('${earlier!.toString('base64')}'), (one) => one.charCodeAt(0))
        const chosen = new DataTransfer()
        chosen.items.add(new File([bytes], 'before.perf.txt.gz'))
        const input = document.getElementById('before')
        input.files = chosen.files
        input.dispatchEvent(new Event('change'))
      })()`)
      await idle()
      assert.match(await textOf('status'), /^before\.perf\.txt\.gz, then after\.perf\.txt\.gz: /)
    })

    /** Whether the frame of the report shows anything, within so many pictures. */
    const isDrawn = async (): Promise<boolean> => {
      const clip = await tab.evaluate(`(() => {
        const { x, y, width } = document.getElementById('report').getBoundingClientRect()
        return { x: x + 2, y: y + 2, width: width - 4, height: 200, scale: 1 }
      })()`)
      const picture = async (visibility: string): Promise<unknown> => {
        await tab.evaluate(`document.getElementById('report').style.visibility = '${visibility}'`)
        return (await tab.call('Page.captureScreenshot', { clip })).data
      }
      const blank = await picture('hidden')
      for (let left = PICTURES_MOST; left > 0; left--) if ((await picture('visible')) !== blank) return true
      return false
    }

    it('each recording that is read is drawn', async () => {
      await tab.goTo('about:blank')
      await tab.goTo(server.url)
      const file = readFileSync(forked)
      for (const name of ['first.gz', 'second.gz']) {
        await drop(name, file)
        assert.equal(await isDrawn(), true, name)
      }
    })

    it('a recording may be plain, or compressed with zstd in one piece or several', async () => {
      const text = gunzipSync(readFileSync(forked))
      const half = text.length >> 1
      const pieces = [text.subarray(0, half), text.subarray(half)].map((each) => zstdCompressSync(each))
      const known = await drop('a.perf.txt', text)
      assert.match(known, /the mmap lock/i)
      assert.equal(await drop('a.perf.txt.zst', zstdCompressSync(text)), known)
      assert.equal(await drop('b.perf.txt.zst', Buffer.concat(pieces)), known)
      const cut = Buffer.concat(pieces).subarray(0, -9)
      assert.match(await drop('c.zst', cut), /c\.zst:\d+: the zstd data is damaged or truncated after line/)
      assert.match(
        await drop('d.gz', readFileSync(forked).subarray(0, 70_000)),
        /d\.gz:\d+: the gzip data is damaged or truncated after line/,
      )
    })

    it('what is no recording is told', async () => {
      const said = await drop('perf.data', Buffer.from('PERFILE2 and more'))
      assert.match(said, /perf\.data:1: this is the binary file of perf record/)
      assert.match(await drop('a.xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])), /decompresses no xz/)
      assert.match(await drop('empty', Buffer.alloc(0)), /this is empty/)
      assert.deepEqual(tab.problems, [])
    })

    it('a fault and munmap are stepped by keyboard to their end, undone, and hold', async () => {
      await openKernel({ scenario: 'fault-munmap', design: 'lespinasse-2021' })
      assert.match(await textOf('space'), /pte\[0x1000\]0/)
      await tab.press('0')
      await idle()
      assert.match(await textOf('verdict'), /^1 step\./)
      await tab.press('u')
      await idle()
      assert.match(await textOf('verdict'), /^0 steps\./)
      await pressShifted(0)
      assert.match(await textOf('space'), /pte\[0x1000\]frame \d+ rw accessed dirty/)
      assert.match(await textOf('source'), /CPU 1, next: kernelEnter at src\/kernel\/machine\/cpu\.ts:\d+/)
      await pressShifted(1)
      assert.match(await textOf('verdict'), /^Holds: after \d+ steps all CPUs have finished/)
      assert.match(await textOf('space'), /pte\[0x1000\]0/)
      assert.deepEqual(tab.problems, [])
    })

    it('what the checker finds right holds here, one CPU after the other', async () => {
      await openKernel({ scenario: 'fork-cow-access', design: 'classic' })
      const all = `[...document.getElementById('scenario').options].map(({ value }) => value)`
      const names = (await tab.evaluate(all)) as string[]
      // Forks make objects of the program's classes, whose functions are known by other means than in Node.
      const forks = ['fork-fault', 'fork-cow-access', 'free-then-fork']
      for (const name of [...forks, ...names.filter((_, place) => place % 20 === 0)]) {
        await tab.evaluate(`(() => {
          const scenario = document.getElementById('scenario')
          scenario.value = '${name}'
          scenario.dispatchEvent(new Event('change'))
        })()`)
        await idle()
        for (let said = ''; said !== (await textOf('verdict'));) {
          said = await textOf('verdict')
          const cpus = Number(await tab.evaluate(`document.querySelectorAll('.cpu').length`))
          for (let cpu = 0; cpu < cpus; cpu++) await pressShifted(cpu)
        }
        assert.match(await textOf('verdict'), /^Holds: /, name)
      }
      assert.deepEqual(tab.problems, [])
    })

    it('every interleaving of it is as many, with the verdict that the command gives', async () => {
      for (const [design, published] of [
        ['lespinasse-2021', false],
        ['kamezawa-2009-refcount', true],
      ] as const) {
        const known = await checkKernelScenario('fault-munmap', { design, rwsem: 'xadd', published })
        await openKernel({ scenario: 'fault-munmap', design, published: String(published) })
        await tab.press('e')
        await idle()
        const said = await textOf('verdict')
        const executions = known.executions.toLocaleString('en')
        const begins = known.verdict === 'pass' ? 'Holds under every interleaving: ' : 'Fails after '
        assert.ok(said.startsWith(`${begins}${executions} interleavings`), `${said}; ${executions}`)
        if (known.failure !== null) assert.ok(said.includes(known.failure.message), said)
      }
      assert.deepEqual(tab.problems, [])
    })

    it('the bad turn of a published error is that of the command, and is stepped', async () => {
      const design = 'kamezawa-2009-refcount'
      const { result } = await checkPublished(design, 'fault-munmap')
      await openKernel({ scenario: 'fault-munmap', design, published: 'true' })
      await tab.press('b')
      await idle()
      assert.match(
        await textOf('verdict'),
        new RegExp(`^0 of the ${result.failure!.steps} steps that lead to the failure`),
      )
      await tab.press('n')
      await idle()
      assert.match(await textOf('verdict'), /^1 of the /)
      await tab.press('m')
      await idle()
      const said = await textOf('verdict')
      assert.ok(said.startsWith(`Fails after ${result.failure!.steps} steps: error: `), said)
      assert.ok(said.includes(result.failure!.message), said)
      const switches = Number(await tab.evaluate(`document.querySelectorAll('#steps tr.switch').length`))
      assert.ok(switches > 0)
      assert.deepEqual(tab.problems, [])
    })

    it('a deadlock is told where it is, with what each CPU waits for', async () => {
      await openKernel({
        scenario: 'fault-munmap-table',
        design: 'kamezawa-2009-refcount',
        published: 'true',
      })
      await tab.press('b')
      await idle()
      await tab.press('m')
      await idle()
      assert.match(await textOf('verdict'), /^Fails after \d+ steps: deadlock: no CPU can go on/)
      const words = `[...document.querySelectorAll('.cpu')].map((cpu) => cpu.textContent)`
      const cpus = (await tab.evaluate(words)) as string[]
      assert.ok(
        cpus.some((text) => /spins until|sleeps until/.test(text)),
        cpus.join('\n'),
      )
      assert.equal(await tab.evaluate(`document.querySelectorAll('#cpus button:enabled').length`), 0)
      await tab.press('u')
      await idle()
      assert.match(await textOf('verdict'), /^\d+ of the \d+ steps that lead to the failure/)
      assert.deepEqual(tab.problems, [])
    })

    it('a published error is chosen from the list, and a search is stopped', async () => {
      await openKernel({ scenario: 'fault-munmap', design: 'classic' })
      await tab.evaluate(`(() => {
        const list = document.getElementById('flaw')
        list.value = [...list.options].find(({ text }) => /^zijlstra-2010, R1, fork-cow-access: /.test(text)).value
        list.dispatchEvent(new Event('change'))
      })()`)
      await idle()
      assert.match(await textOf('verdict'), /^0 of the \d+ steps that lead to the failure/)
      assert.equal(await tab.evaluate(`document.getElementById('design').value`), 'zijlstra-2010')
      await openKernel({ scenario: 'two-faults-munmap', design: 'lespinasse-2021' })
      await tab.press('0')
      await idle()
      await tab.press('e')
      await tab.until(`document.getElementById('verdict').textContent.startsWith('Exploring: ')`)
      await tab.press('Escape')
      await idle()
      assert.match(await textOf('verdict'), /^1 step\. /)
      assert.deepEqual(tab.problems, [])
    })

    it('the simulator gives what the command gives', async () => {
      await tab.goTo(`${server.url}scaling.html`)
      // What the slider's places mean is known once the first setting is planned.
      await tab.until(`!document.getElementById('cpus').disabled`)
      await tab.evaluate(`(() => {
        document.getElementById('workload').value = 'mmap1'
        document.getElementById('machine').value = 'westmere-2s'
        document.getElementById('cpus').value = '2'
        document.getElementById('workload').dispatchEvent(new Event('input', { bubbles: true }))
      })()`)
      await tab.until(
        `document.getElementById('command').textContent.includes('mmap1') && !document.body.hasAttribute('aria-busy')`,
      )
      const cells = await tab.evaluate(
        `[...document.querySelectorAll('#table tbody td')].map((cell) => Number(cell.textContent))`,
      )
      const { runs } = await simulate({
        workload: findSimulatedWorkload('mmap1')!,
        machine: findMachine('westmere-2s')!,
        designs: ['classic', 'lespinasse-2021', 'per-vma-refcount-2025'],
        rwsems: 'year',
        cpus: [1, 2, 4],
        seed: 1,
        config: {},
        rss: 'batched',
      })
      const byCpus = [1, 2, 4].flatMap((cpus) => runs.filter((run) => run.cpus === cpus))
      assert.deepEqual(
        cells,
        byCpus.map(({ faultsPerSecond }) => Math.round(faultsPerSecond)),
      )
      assert.equal(await tab.evaluate(`document.querySelectorAll('#chart canvas').length`), 1)
      assert.deepEqual(tab.problems, [])
    })

    it('a worker that throws, or that is not there, is told on each page, which waits no more', async () => {
      const broken = join(folder, 'broken')
      cpSync(built, broken, { recursive: true })
      const workers = readdirSync(join(broken, 'assets')).filter((name) => name.startsWith('worker-'))
      assert.equal(workers.length, 3)
      for (const [text, told] of [
        [`throw new Error('a fault of the test')`, /a fault of the test/],
        [null, /The worker has ended: it could not be loaded/],
      ] as const) {
        for (const name of workers.map((worker) => join(broken, 'assets', worker)))
          if (text === null) rmSync(name)
          else writeFileSync(name, text)
        const served = await serveFolder(broken, 0)
        // What is wrong with a page ends what is waited for in its tab: here it is to be.
        const other = await Tab.open(chromium!)
        try {
          for (const [page, id] of [
            ['index.html', 'status'],
            ['kernel.html', 'verdict'],
            ['scaling.html', 'status'],
          ] as const) {
            await other.goTo(`${served.url}${page}`)
            const said = await other.evaluate(`new Promise((resolve) => {
              document.getElementById('sample')?.click()
              const text = () => document.getElementById('${id}').textContent
              const look = () => {
                const isOver = ${String(told)}.test(text()) && !document.body.hasAttribute('aria-busy')
                isOver ? resolve(text()) : requestAnimationFrame(look)
              }
              look()
            })`)
            assert.match(String(said), told)
          }
        } finally {
          await other.close()
          await served.close()
        }
      }
    })

    it('is dark where the system is', async () => {
      const ground = 'getComputedStyle(document.body).backgroundColor'
      const light = await tab.evaluate(ground)
      await tab.call('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-color-scheme', value: 'dark' }],
      })
      assert.notEqual(await tab.evaluate(ground), light)
      await tab.until(`document.querySelectorAll('#chart canvas').length === 1`)
      assert.deepEqual(tab.problems, [])
    })
  },
)
