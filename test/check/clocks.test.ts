// The clocks of threads: they stand still, and move on where time passes for the thread.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ScenarioFailed, check, checkFile } from '../../src/check.ts'

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
const minimiseSeconds = 0

/** A thread that does nothing for others to wait for. */
const bystander = (cells: Int32Array): void => void Atomics.load(cells, 1)

const sets = (cells: Int32Array): void => {
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
}

/** Waits for the first cell until a time is over, as condition variables do; returns whether it came. */
function awaitUntil(cells: Int32Array, end: number): boolean {
  while (Atomics.load(cells, 0) === 0) {
    const left = end - performance.now()
    if (left <= 0) return false
    Atomics.wait(cells, 0, 0, left)
  }
  return true
}

describe('the clock of a thread', () => {
  it('moves on by a time-out that passes: who waits until a time gives up', async () => {
    const waits = (cells: Int32Array): void => assert.ok(awaitUntil(cells, performance.now() + 100), 'late')
    await assert.rejects(
      check({ minimiseSeconds, setup, threads: [waits, sets] }),
      (error) => error instanceof ScenarioFailed && error.message.includes('late'),
    )
    const mayGiveUp = (cells: Int32Array): void => void awaitUntil(cells, performance.now() + 100)
    const { verdict, complete, clock } = await check({ minimiseSeconds, setup, threads: [mayGiveUp, sets] })
    assert.deepEqual([verdict, complete, clock], ['pass', true, true])
  })

  it('moves on where a thread spins and nothing else can happen: that is no deadlock', async () => {
    for (const hour of [1, 3_600_000]) {
      const spins = (cells: Int32Array): void => {
        const end = Date.now() + hour
        while (Atomics.load(cells, 0) === 0) {
          if (Date.now() > end) return
          Atomics.pause()
        }
      }
      const name = `spins for ${hour} ms`
      const result = await check({ name, minimiseSeconds, setup, threads: [spins, bystander] })
      assert.equal(result.verdict, 'pass')
    }
  })

  it('moves on when a timer fires, by its time at least', async () => {
    const sleeps = async (cells: Int32Array): Promise<void> => {
      const begun = process.hrtime.bigint()
      const sinceZero = process.hrtime()
      await sleep(5)
      Atomics.add(cells, 0, 1)
      await sleep(20)
      assert.equal(process.hrtime.bigint() - begun, BigInt(25e6))
      assert.deepEqual(process.hrtime(sinceZero), [0, 25_000_000])
    }
    const { verdict } = await check({ minimiseSeconds, setup, threads: [sleeps, sleeps] })
    assert.equal(verdict, 'pass')
  })

  it('moves on when it is looked at again and again', async () => {
    const looks = (cells: Int32Array): void => {
      const begun = Date.now()
      while (Date.now() - begun < 500);
      Atomics.add(cells, 0, 1)
    }
    const { verdict, executions } = await check({ minimiseSeconds, setup, threads: [looks, looks] })
    assert.deepEqual([verdict, executions], ['pass', 1])
  })

  it('reads the same in each execution that is repeated', async () => {
    const times = (): Float64Array => new Float64Array(new SharedArrayBuffer(16))
    const notes = (at: number) => (cells: Float64Array) => {
      cells[at] = performance.now()
    }
    const result = await check({ minimiseSeconds, setup: times, threads: [notes(0), notes(1)] })
    assert.equal(result.verdict, 'pass')
  })

  it('tells what it told the setup', async () => {
    const bucket = () => ({
      cells: setup(),
      begun: Date.now(),
      nanoseconds: process.hrtime.bigint(),
      at: performance.now(),
    })
    const ages = (state: ReturnType<typeof bucket>): void => {
      assert.deepEqual([Date.now() - state.begun, performance.now() - state.at], [0, 0])
      assert.equal(process.hrtime.bigint(), state.nanoseconds)
      Atomics.wait(state.cells, 0, 0, 70)
      assert.equal(Date.now() - state.begun, 70)
    }
    const { verdict } = await check({ minimiseSeconds, setup: bucket, threads: [ages] })
    assert.equal(verdict, 'pass')
  })

  it('is that of the process again when the check is over', async () => {
    const before = [Date.now, performance.now, process.hrtime]
    await check({ name: 'over', minimiseSeconds, setup, threads: [bystander, () => void Date.now()] })
    assert.deepEqual([Date.now, performance.now, process.hrtime], before)
    assert.ok(!Object.hasOwn(performance, 'now'))
  })
})

describe('a program that names no clock', () => {
  it('is told of none', async () => {
    // The file names clocks, which is what the checker goes by: so this one is another.
    const { clock } = await checkFile(new URL('programs/mutex.ts', import.meta.url))
    assert.equal(clock, undefined)
  })
})
