// The clocks of threads: they stand still, and move on where time passes for the thread.

import assert from 'node:assert/strict'
import nodeCrypto, { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ScenarioFailed, check, checkFile } from '../../src/check.ts'

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
const minimiseSeconds = 0

/** In nanoseconds: how far a clock moves between two looks at it, or not at all. */
const TEN_DAYS = BigInt(10 * 24 * 3600) * BigInt(1e9)

// Kept when the module was loaded.
const now = performance.now.bind(performance)
const { random } = Math

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

  for (const [name, spins] of Object.entries({
    'without a pause': (cells: Int32Array): void => {
      const end = Date.now() + 100
      while (Atomics.load(cells, 0) === 0) if (Date.now() > end) return void Atomics.store(cells, 1, 1)
    },
    'with pauses, by a clock that it has kept': (cells: Int32Array): void => {
      const end = now() + 5000
      for (; Atomics.load(cells, 0) === 0; Atomics.pause()) {
        if (now() > end) return void Atomics.store(cells, 1, 1)
      }
    },
    'by new Date': (cells: Int32Array): void => {
      const end = new Date()
      end.setSeconds(end.getSeconds() + 2)
      while (Atomics.load(cells, 0) === 0) if (new Date() > end) return void Atomics.store(cells, 1, 1)
    },
  }))
    it(`moves far at any moment where a thread spins and looks at it: ${name}`, async () => {
      const sees = (cells: Int32Array): void => {
        if (Atomics.load(cells, 1) === 1) throw new Error('it gave up before')
        Atomics.store(cells, 0, 1)
      }
      for (const bound of [null, 1])
        await assert.rejects(
          check({ name: `${name}, ${bound}`, minimiseSeconds, setup, bound, threads: [spins, sees] }),
          /it gave up before/,
        )
      const others = (cells: Int32Array): void => void Atomics.store(cells, 0, Atomics.load(cells, 1) + 1)
      const { verdict, complete, timeouts } = await check({ name, setup, threads: [spins, others] })
      assert.deepEqual([verdict, complete, timeouts], ['pass', true, null])
    })

  it('is not called explored where it may move on once more', async () => {
    const retries = (cells: Int32Array): void => {
      for (let end = 0; Atomics.load(cells, 0) === 0;) {
        if (Date.now() > end) end = Date.now() + 10
      }
    }
    const { verdict, leftTimeout } = await check({ minimiseSeconds, setup, threads: [retries, sets] })
    assert.equal(verdict, 'incomplete')
    assert.match(leftTimeout!, /clocks\.test\.ts/)
  })

  it('moves on when a timer fires, by its time at least', async () => {
    const sleeps = async (cells: Int32Array): Promise<void> => {
      const begun = process.hrtime.bigint()
      const sinceZero = process.hrtime()
      await sleep(5)
      Atomics.add(cells, 0, 1)
      await sleep(20)
      const passed = process.hrtime.bigint() - begun
      const [seconds, nanoseconds] = process.hrtime(sinceZero)
      assert.deepEqual([(passed - BigInt(25e6)) % TEN_DAYS, nanoseconds], [BigInt(0), 25_000_000])
      assert.equal(BigInt(seconds) % (TEN_DAYS / BigInt(1e9)), BigInt(0))
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
    // Only the first turn of a loop that does nothing but to look may find that it is late.
    assert.deepEqual([verdict, executions], ['pass', 8])
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
    const threads = [ages]
    const { verdict, timeouts } = await check({ minimiseSeconds, setup: bucket, threads, timeouts: 0 })
    assert.deepEqual([verdict, timeouts], ['pass', 0])
  })

  it('is that of the process again when the check is over', async () => {
    const before = [Date.now, performance.now, process.hrtime, Math.random, crypto.randomUUID]
    await check({ name: 'over', minimiseSeconds, setup, threads: [bystander, () => void Date.now()] })
    assert.deepEqual([Date.now, performance.now, process.hrtime, Math.random, crypto.randomUUID], before)
    assert.ok(!Object.hasOwn(performance, 'now'))
  })
})

/** What a thread does is found to be wrong where time has passed: late, with a table that says so. */
async function fails(checking: Promise<unknown>, wrong: RegExp): Promise<void> {
  await assert.rejects(checking, (error) => {
    assert.ok(error instanceof ScenarioFailed, String(error))
    assert.match(error.message, wrong)
    assert.match(error.message, /its clock has moved on by ten days/)
    return true
  })
}

describe('a look at a clock', () => {
  it('may find that its own work has taken long, with no step in between', async () => {
    const slow = (cells: Int32Array): void => {
      const begun = performance.now()
      let sum = 0
      for (let n = 0; n < 10; n++) sum += n
      if (performance.now() - begun > 100) throw new Error(`slow: ${sum}`)
      Atomics.add(cells, 0, 1)
    }
    await fails(check({ name: 'slow', setup, threads: [slow, bystander] }), /slow: 45/)
    for (const bound of [1, 0]) {
      const name = `slow within ${bound}`
      await fails(check({ name, minimiseSeconds, setup, bound, threads: [slow, bystander] }), /slow: 45/)
    }
    for (const strategy of ['pct', 'random'] as const) {
      const options = { minimiseSeconds, strategy, seed: 1 }
      await fails(check({ name: strategy, ...options, setup, threads: [slow, bystander] }), /slow: 45/)
    }
  })

  it('may find that a lease of another thread is over, which is not before that was taken', async () => {
    // The expiry of a lease, in milliseconds after the setup; 0 where nobody has it.
    const leases = () => ({ cells: setup(), begun: Date.now(), inside: [0] })
    type Leases = ReturnType<typeof leases>
    const enter = (lasts: number) => (state: Leases) => {
      const expires = Atomics.load(state.cells, 0)
      if (expires !== 0 && Date.now() - state.begun <= expires) return
      const until = Date.now() - state.begun + lasts
      if (Atomics.compareExchange(state.cells, 0, expires, until) !== expires) return
      const before = Atomics.add(state.cells, 1, 1)
      if (before !== 0) throw new Error('two are inside')
      Atomics.sub(state.cells, 1, 1)
    }
    const threads = [enter(1000), enter(1000)]
    await fails(check({ name: 'lease', setup: leases, threads }), /two are inside/)
  })

  it('is not earlier than that of whoever wrote what was read', async () => {
    const stamps = () => ({ cells: setup(), begun: Date.now() })
    type Stamps = ReturnType<typeof stamps>
    const writes = ({ cells, begun }: Stamps): void => {
      Atomics.wait(cells, 1, 0, 30)
      Atomics.store(cells, 0, 1 + Date.now() - begun)
      Atomics.notify(cells, 0)
    }
    const reads = ({ cells, begun }: Stamps): void => {
      Atomics.wait(cells, 0, 0)
      const stamp = Atomics.load(cells, 0)
      if (stamp > 0) assert.ok(Date.now() - begun >= stamp - 1)
    }
    const { verdict, complete } = await check({ setup: stamps, threads: [writes, reads] })
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  it('may find that an entry is too old, by any clock', async () => {
    for (const [name, time] of Object.entries({
      now: () => Date.now(),
      date: () => new Date().getTime(),
      performance: () => performance.now(),
      origin: () => performance.timeOrigin + performance.now(),
      hrtime: () => Number(process.hrtime.bigint()) / 1e6,
      uptime: () => process.uptime() * 1000,
      event: () => new Event('look').timeStamp,
      mark: () => performance.mark('look').startTime,
    })) {
      const caches = () => ({ cells: setup(), expires: time() + 3_600_000 })
      const get = ({ cells, expires }: ReturnType<typeof caches>): void => {
        Atomics.load(cells, 0)
        if (time() >= expires) throw new Error('too old')
      }
      await fails(check({ name, setup: caches, threads: [get, get] }), /too old/)
    }
    // The setup of check() also runs as it stands, where a kept Date has the time of the process: this one is a file.
    const { failure } = await checkFile(new URL('programs/kept-dated.ts', import.meta.url))
    assert.match(failure!.message, /too old/)
  })

  it('is the same for a setup that runs as it stands and for its steppable form, however late it is', async () => {
    const made = () => ({
      cells: setup(),
      dates: [new Date(), Reflect.construct(Date, []), new (class extends Date {})()],
      isDate: new Date().constructor === Date && new Date() instanceof Date,
      text: Date(),
      sum: performance.timeOrigin + performance.now(),
    })
    const before = Date
    const result = check({ setup: made, threads: [({ cells }) => void Atomics.load(cells, 0)] })
    assert.equal(Date, before)
    assert.equal((await result).verdict, 'pass')
  })

  it('is told where it was not tried once more, until the call accepts that', async () => {
    const retries = (cells: Int32Array): void => {
      for (let turn = 0; turn < 20; turn++) {
        const begun = Date.now()
        if (Atomics.load(cells, 0) === 1 || Date.now() - begun < 10) return
      }
    }
    const options = { minimiseSeconds, setup, threads: [retries, sets] }
    const { verdict, leftTimeout } = await check({ name: 'retries', ...options })
    assert.equal(verdict, 'incomplete')
    assert.match(leftTimeout!, /clocks\.test\.ts/)
    const accepted = await check({ name: 'accepted', ...options, timeouts: 1 })
    assert.deepEqual([accepted.verdict, accepted.complete, accepted.timeouts], ['pass', true, 1])
  })
})

describe('random numbers', () => {
  it('are the same in each execution, and others for each thread', async () => {
    const drawn = (): { floats: number[]; texts: string[] } => ({
      floats: [Math.random()],
      texts: [crypto.randomUUID()],
    })
    const draws = (state: ReturnType<typeof drawn>): void => {
      state.floats.push(Math.random(), random())
      state.texts.push(crypto.randomUUID(), crypto.getRandomValues(new Uint16Array(3)).join())
    }
    const all = new Set<string>()
    const result = await check({
      minimiseSeconds,
      setup: () => ({ cells: setup(), ...drawn() }),
      threads: [0, 1].map(() => (state: { cells: Int32Array } & ReturnType<typeof drawn>) => {
        Atomics.add(state.cells, 0, 1)
        Atomics.exchange(state.cells, 1, Math.random() * 2 ** 20)
        draws(state)
      }),
      invariant: ({ floats, texts }) => {
        assert.equal(new Set(floats).size, 5)
        assert.equal(new Set(texts).size, 5)
        assert.ok(floats.every((each) => each >= 0 && each < 1))
        assert.match(texts[0]!, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
        all.add([...floats].sort().join())
        assert.equal(all.size, 1)
      },
    })
    assert.deepEqual([result.verdict, result.complete, result.chance], ['pass', true, true])
    assert.ok(result.executions > 1)
  })

  it('are the same in each execution where they are of node:crypto', async () => {
    const all = new Set<string>()
    const result = await check({
      minimiseSeconds,
      setup: () => ({ cells: setup(), drawn: [] as (string | number)[] }),
      threads: [0, 1].map(() => ({ cells, drawn }: { cells: Int32Array; drawn: (string | number)[] }) => {
        Atomics.exchange(cells, 0, randomInt(2 ** 20))
        const [length, least, id] = [randomBytes(70_000).length, randomInt(5, 7), randomUUID()]
        drawn.push(id, createHash('sha256').update(randomBytes(8)).digest('hex'), `${length} ${least}`)
      }),
      invariant: ({ drawn }) => {
        assert.equal(drawn.filter((each) => /^70000 [56]$/.test(`${each}`)).length, 2)
        all.add(drawn.toSorted().join())
        assert.equal(all.size, 1)
      },
    })
    assert.deepEqual([result.verdict, result.complete, result.chance], ['pass', true, true])
  })
})

describe('chance of node:crypto', () => {
  it('is the same in each execution, and others for each thread', async () => {
    const all = new Set<string>()
    const draws = ({ cells, drawn }: { cells: Int32Array; drawn: unknown[] }): void => {
      Atomics.add(cells, 0, 1)
      Atomics.exchange(cells, 1, randomInt(2 ** 20))
      drawn.push(nodeCrypto.randomUUID(), nodeCrypto.randomBytes(8).toString('hex'), randomInt(5, 2 ** 40))
    }
    const result = await check({
      minimiseSeconds,
      setup: () => ({ cells: setup(), drawn: [] as unknown[] }),
      threads: [draws, (state) => draws(state)],
      invariant: ({ drawn }) => {
        assert.equal(new Set(drawn).size, 6)
        all.add(drawn.map(String).sort().join())
        assert.equal(all.size, 1)
        for (const each of drawn)
          if (typeof each === 'number') assert.ok(each >= 5 && each < 2 ** 40 && Number.isInteger(each))
      },
    })
    assert.deepEqual([result.verdict, result.complete, result.chance], ['pass', true, true])
    assert.ok(result.executions > 1)
  })

  it('is refused where it calls back later', async () => {
    const asks = (): void => nodeCrypto.randomInt(5, () => {})
    await assert.rejects(
      check({ setup, threads: [asks, bystander] }),
      /calls back when an event of Node comes/,
    )
  })
})

describe('a program that names no clock', () => {
  it('is told of none', async () => {
    // The file names clocks, which is what the checker goes by: so this one is another.
    const { clock } = await checkFile(new URL('programs/mutex.ts', import.meta.url))
    assert.equal(clock, undefined)
  })
})
