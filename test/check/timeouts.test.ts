// Time-outs that pass again and again. One that only has a thread wait again, as it stood, leaves nothing out; any
// other is let pass so often, and what a further one would lead to is not called explored.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { drawn } from '../../src/backends/stepped/replaced-clocks.ts'
import { type CheckOptions, checkFile, replayFile } from '../../src/check/index.ts'
import { isWhole } from '../extent.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-timeouts-'))
after(() => rmSync(folder, { recursive: true }))
let written = 0

/** A thread that does `waits`, beside one that ends its wait. */
function fileOf(waits: string, wakes = 'Atomics.store(cells, 0, 1); Atomics.notify(cells, 0)'): string {
  const file = join(folder, `program-${++written}.mjs`)
  writeFileSync(
    file,
    `import { scheduler, setTimeout as sleep } from 'node:timers/promises'
import { receiveMessageOnPort } from 'node:worker_threads'
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [${waits}, (cells) => { ${wakes} }],
}
const giveUp = () => { throw new Error('it gave up') }`,
  )
  return file
}

const explored = (waits: string, options: CheckOptions = {}) => checkFile(fileOf(waits), options)

describe('time-outs', () => {
  for (const [index, [what, waits]] of Object.entries({
    'of a thread that waits again':
      '(cells) => { while (Atomics.load(cells, 0) === 0) Atomics.wait(cells, 0, 0, 10) }',
    'within a call, in a loop of two waits': `(cells) => {
      const sleep = (index) => Atomics.wait(cells, index, 0, 10)
      for (;;) { if (Atomics.load(cells, 0) === 1) return; sleep(1); sleep(0) }
    }`,
    'of one that polls with a promise of a timer': `async (cells) => {
      while (!Atomics.load(cells, 0)) await new Promise((resolve) => setTimeout(resolve, 1))
    }`,
    'of one that polls with a function that sleeps': `async (cells) => {
      const sleep = async (time) => { await new Promise((resolve) => setTimeout(resolve, time)) }
      const isReady = () => Atomics.load(cells, 0) !== 0
      const poll = async () => { while (!isReady()) await sleep(1) }
      await poll()
    }`,
    'of one that polls with node:timers/promises': `async (cells) => {
      for (;;) { if (Atomics.load(cells, 0) === 1) break; await scheduler.wait(5) }
      do await sleep(1); while (Atomics.load(cells, 0) === 0)
    }`,
    'of one that waits in its event loop': `async (cells) => {
      while (Atomics.load(cells, 0) === 0) {
        const { async, value } = Atomics.waitAsync(cells, 0, 0, 10)
        if (async) await value
      }
    }`,
    'of one that has a chain of timers': `(cells) => new Promise((resolve) => {
      const poll = () => { if (Atomics.load(cells, 0) === 1) resolve(); else setTimeout(poll, 1) }
      poll()
    })`,
    'of one that has an interval': `(cells) => new Promise((resolve) => {
      const timer = setInterval(() => {
        if (Atomics.load(cells, 0) === 0) return
        clearInterval(timer)
        resolve()
      }, 1)
    })`,
    'of one that polls by immediates': `async (cells) => {
      while (!Atomics.load(cells, 0)) await new Promise(setImmediate)
    }`,
    'of one that polls until a time': `async (cells) => {
      const end = Date.now() + 50
      while (!Atomics.load(cells, 0) && Date.now() < end) await sleep(1)
    }`,
    'of one that polls with a guard': `async (cells) => {
      const poll = async () => { while (!Atomics.load(cells, 0)) await sleep(1) }
      await Promise.race([poll(), sleep(1000)])
    }`,
    'of a thread that gives up after the first':
      "(cells) => { while (Atomics.load(cells, 0) === 0) if (Atomics.wait(cells, 0, 0, 10) === 'timed-out') return }",
    'of a thread that gives up after the fifth':
      '(cells) => { for (let n = 0; n < 5 && Atomics.load(cells, 0) === 0; n++) Atomics.wait(cells, 0, 0, 10) }',
  }).entries())
    it(`leave nothing out: ${what}`, async () => {
      // To start workers takes longer than all the rest.
      const shared = isWhole || index % 5 === 0 ? [{ workers: 2 }] : []
      for (const options of [{}, { bound: 2 }, ...shared]) {
        const { verdict, complete, timeouts, leftTimeout } = await explored(waits, options)
        assert.deepEqual([verdict, complete, timeouts, leftTimeout], ['pass', true, null, undefined])
      }
    })

  for (const [what, waits] of Object.entries({
    'counts them in a loop':
      '(cells) => { for (let n = 0; Atomics.load(cells, 0) === 0; n++) if (n === 3) giveUp(); else Atomics.wait(cells, 0, 0, 10) }',
    'counts them in a field': `(cells) => {
      const tries = { n: 0 }
      while (Atomics.load(cells, 0) === 0) if (tries.n++ === 3) giveUp(); else Atomics.wait(cells, 0, 0, 10)
    }`,
    'waits three times': `(cells) => {
      for (const cell of [1, 2, 3]) Atomics.wait(cells, cell, 0, 10)
      if (Atomics.load(cells, 0) === 0) giveUp()
    }`,
    'looks at a clock': `(cells) => {
      const end = Date.now() + 25
      while (Atomics.load(cells, 0) === 0) if (Date.now() > end) giveUp(); else Atomics.wait(cells, 0, 0, 10)
    }`,
    'counts them in a closure': `async (cells) => {
      let tries = 0
      const again = () => ++tries < 5
      while (Atomics.load(cells, 0) === 0) { if (!again()) giveUp(); await sleep(1) }
    }`,
    'counts them in what a timer is given': `(cells) => new Promise((resolve) => {
      const poll = (tries) => {
        if (Atomics.load(cells, 0) === 1) return resolve()
        if (tries === 4) giveUp()
        setTimeout(poll, 1, tries + 1)
      }
      poll(0)
    })`,
    'lets timers pile up': `async (cells) => {
      let fired = 0
      const note = () => { if (++fired === 4) giveUp() }
      while (Atomics.load(cells, 0) === 0) { setTimeout(note, 1000); await sleep(1) }
    }`,
    'lets promises pile up': `async (cells) => {
      let settle
      let waiting = 0
      const done = new Promise((resolve) => { settle = resolve })
      const note = () => { if (++waiting === 4) giveUp() }
      while (Atomics.load(cells, 0) === 0) { done.then(note); await sleep(1) }
      settle()
      await done
      await sleep(1)
    }`,
    'lets messages pile up': `async (cells) => {
      const { port1, port2 } = new MessageChannel()
      while (Atomics.load(cells, 0) === 0) { port1.postMessage(1); await sleep(1) }
      for (let n = 0; receiveMessageOnPort(port2); n++) if (n === 3) giveUp()
    }`,
    'looks whether others pile up': `async (cells) => {
      while (Atomics.load(cells, 0) === 0) { Atomics.add(cells, 1, 1); await sleep(1) }
      if (Atomics.load(cells, 1) > 3) giveUp()
    }`,
    'draws random numbers': `async (cells) => {
      while (Atomics.load(cells, 0) === 0) {
        if (crypto.getRandomValues(new Uint32Array(1))[0] === ${drawn(0, 4) >>> 0}) giveUp()
        await sleep(1)
      }
    }`,
    'has timers': `async (cells) => {
      for (const time of [1, 2, 3]) await new Promise((resolve) => setTimeout(resolve, time))
      if (Atomics.load(cells, 0) === 0) giveUp()
    }`,
  }))
    it(`are let pass more often where a thread ${what}`, async () => {
      const file = fileOf(waits)
      const { failure } = await checkFile(file)
      assert.match(failure!.message, /it gave up/)
      assert.deepEqual((await replayFile(file, failure!.token!)).failure?.schedule, failure!.schedule)
    })

  it('that have changed shared memory are not for nothing: another thread counts them', async () => {
    const waits =
      '(cells) => { while (Atomics.load(cells, 0) === 0) { Atomics.wait(cells, 0, 0, 10); Atomics.add(cells, 1, 1) } }'
    const wakes =
      'if (Atomics.load(cells, 1) === 5) giveUp(); Atomics.store(cells, 0, 1); Atomics.notify(cells, 0)'
    assert.match((await checkFile(fileOf(waits, wakes))).failure!.message, /it gave up/)
  })

  it('in a turn in which the thread was woken too are not for nothing: who wakes counts that', async () => {
    const waits =
      '(cells) => { while (Atomics.load(cells, 0) === 0) { Atomics.wait(cells, 1, 0, 10); Atomics.wait(cells, 2, 0) } }'
    const wakes = `let woken = 0
      for (let turn = 0; turn < 4; turn++) woken += Atomics.notify(cells, 2)
      if (woken === 4) giveUp()
      Atomics.store(cells, 0, 1); Atomics.store(cells, 2, 1); Atomics.notify(cells, 2)`
    assert.match((await checkFile(fileOf(waits, wakes))).failure!.message, /it gave up/)
  })

  it('of a timer that gives its function something else each time are not for nothing', async () => {
    const waits = `(cells) => new Promise((resolve, reject) => {
      const poll = (turn) => {
        if (Atomics.load(cells, 0) === 1) resolve()
        else if (turn === 3) reject(new Error('it gave up'))
        else setTimeout(poll, 10, turn + 1)
      }
      setTimeout(poll, 10, 0)
    })`
    assert.match((await explored(waits)).failure!.message, /it gave up/)
  })

  it('that are left out are told, with the place, until the call accepts that', async () => {
    const waits =
      '(cells) => { for (let n = 0; n < 40 && Atomics.load(cells, 0) === 0; n++) Atomics.wait(cells, 0, 0, 10) }'
    const { verdict, complete, timeouts, leftTimeout } = await explored(waits)
    assert.deepEqual([verdict, complete, timeouts], ['incomplete', false, 16])
    assert.match(leftTimeout!, /mjs:5 .*Atomics\.wait\(cells, 0, 0, 10\)/)
    for (const workers of [1, 2]) {
      const accepted = await explored(waits, { timeouts: 2, workers })
      assert.deepEqual([accepted.verdict, accepted.complete, accepted.timeouts], ['pass', true, 2])
    }
    const none = await explored('(cells) => { if (Atomics.wait(cells, 0, 0, 10) !== "ok") giveUp() }', {
      timeouts: 0,
      maxSteps: 50,
    })
    assert.equal(none.timeouts, 0)
  })
})
