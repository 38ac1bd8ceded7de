// linearizable(): what threads get from a shared object, held against a sequential one.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { NoScenario, ScenarioFailed, checkFile, linearizable } from '../../src/check.ts'

/** Sets the cell if it is not set, and says whether it was. */
class Latch {
  readonly #cells = new Int32Array(new SharedArrayBuffer(4))

  set(): boolean {
    return Atomics.exchange(this.#cells, 0, 1) === 1
  }

  setLate(): boolean {
    const before = Atomics.load(this.#cells, 0)
    Atomics.store(this.#cells, 0, 1)
    return before === 1
  }

  isSet(): boolean {
    return Atomics.load(this.#cells, 0) === 1
  }

  refuse(): never {
    throw new RangeError('never')
  }
}

/** Its state is hidden: two orders that leave different states look the same. */
class SequentialLatch {
  #isSet = false

  set(): boolean {
    const before = this.#isSet
    this.#isSet = true
    return before
  }

  isSet(): boolean {
    return this.#isSet
  }

  refuse(): never {
    throw new RangeError('never')
  }
}

const create = (): Latch => new Latch()

it('an object that is what it is for one thread passes, with all its programs', async () => {
  const operations = { set: [[]], isSet: (latch: Latch) => latch.isSet(), refuse: [[]] }
  const result = await linearizable({ create, operations, specification: SequentialLatch })
  assert.deepEqual([result.verdict, result.complete], ['pass', true])
  // Two threads with one of three calls each, then with one of nine pairs.
  assert.deepEqual(result.programs, { explored: 6 + 45, inAll: 6 + 45 })
})

it('of more programs than are wanted, the same are chosen each time', async () => {
  const check = (): Promise<unknown> =>
    linearizable({
      create,
      operations: { set: [[]], isSet: [[]] },
      specification: () => new SequentialLatch(),
      calls: 3,
      programs: 20,
    }).then(({ programs, steps }) => ({ programs, steps }))
  const first = await check()
  assert.deepEqual(first, await check())
  assert.deepEqual((first as { programs: unknown }).programs, { explored: 20, inAll: 3 + 10 + 36 })
})

it('an object that is not fails in the smallest program, with its calls and their results', async () => {
  const checking = linearizable({
    create,
    operations: { set: { call: (latch: Latch) => latch.setLate() } },
    specification: SequentialLatch,
  })
  await assert.rejects(checking, (error) => {
    assert.ok(error instanceof ScenarioFailed)
    const told =
      'no order of the calls gives these results\n  thread 0: set() = false\n  thread 1: set() = false\n'
    assert.ok(error.message.includes(told), error.message)
    // What makes the calls is not told of.
    assert.doesNotMatch(error.message, /perform-calls/)
    assert.deepEqual(
      [...error.message.matchAll(/^ +(\d+)  \S+:\d+ /gm)].map(([, step]) => step),
      ['1', '2', '3', '4'],
    )
    return true
  })
})

it('a program that leaves a loop which counts tells of it, whichever program it is', async () => {
  class Gate {
    readonly #cells = new Int32Array(new SharedArrayBuffer(4))
    spins = 0

    open(): void {
      Atomics.store(this.#cells, 0, 1)
    }

    pass(): void {
      while (Atomics.load(this.#cells, 0) === 0 && this.#spin());
    }

    #spin(): boolean {
      return ++this.spins < 1e6
    }
  }
  const description = {
    create: () => new Gate(),
    operations: { open: [[]], pass: [[]] },
    roles: [['open'], ['pass']],
    specification: (): object => ({ open: () => {}, pass: () => {} }),
    calls: 1,
  }
  const { verdict, complete, turns, leftLoop } = await linearizable(description)
  assert.deepEqual([verdict, complete, turns], ['incomplete', false, 16])
  assert.match(leftLoop!, /linearizable\.test\.ts:\d+ \(pass\)/)
  const accepted = await linearizable({ ...description, turns: 3 })
  assert.deepEqual([accepted.verdict, accepted.complete, accepted.turns], ['pass', true, 3])
})

it('what was over before something else began comes before it', async () => {
  const checking = linearizable({
    create: () => ({ told: new Int32Array(new SharedArrayBuffer(8)) }),
    operations: {
      // Each thread counts for itself, and sees what others count one call too late.
      add: {
        call({ told }: { told: Int32Array }) {
          Atomics.add(told, 0, 1)
        },
      },
      read: {
        call: ({ told }: { told: Int32Array }) => Atomics.exchange(told, 1, Atomics.load(told, 0)),
      },
    },
    specification: class {
      #count = 0
      add(): void {
        this.#count++
      }
      read(): number {
        return this.#count
      }
    },
  })
  await assert.rejects(
    checking,
    /thread 0: add\(\) = undefined\n.*read\(\) = 0, begun after call 1 of thread 0/,
  )
})

it('a specification that lacks an operation is refused', async () => {
  const checking = linearizable({ create, operations: { isSet: [[]] }, specification: () => ({}) })
  await assert.rejects(checking, (error) => {
    assert.ok(error instanceof NoScenario || error instanceof ScenarioFailed)
    assert.match(error.message, /the specification of linearizable\(\) has no method 'isSet'/)
    return true
  })
})

it('an operation that the object does not have is refused, and is no finding', async () => {
  const checking = linearizable({
    create,
    operations: { isOn: [[]] },
    specification: () => ({ isOn: () => false }),
  })
  await assert.rejects(checking, /what create\(\) of linearizable\(\) makes has no method 'isOn'/)
})

it('a file may export one', async () => {
  const { verdict, programs } = await checkFile(new URL('programs/latch.ts', import.meta.url))
  assert.deepEqual([verdict, programs], ['pass', { explored: 2, inAll: 2 }])
})

it('a thread with a role calls nothing else, and threads with one role are alike', async () => {
  class Cell {
    readonly #cells = new Int32Array(new SharedArrayBuffer(4))
    put(value: number): void {
      Atomics.store(this.#cells, 0, value)
    }
    get(): number {
      return Atomics.load(this.#cells, 0)
    }
  }
  const specification = class {
    #value = 0
    put(value: number): void {
      this.#value = value
    }
    get(): number {
      return this.#value
    }
  }
  const operations = { put: [[1], [2], [3]], get: [[]] }
  const roles = [['put'], ['get'], ['put']]
  const { verdict, programs } = await linearizable({
    create: () => new Cell(),
    operations,
    specification,
    roles,
    calls: 1,
  })
  // Two that put have 3 · 4 / 2 pairs of values.
  assert.deepEqual([verdict, programs], ['pass', { explored: 6, inAll: 6 }])
})

for (const [roles, says] of [
  [[['set'], ['sett']], /a role with 'sett', which is not an operation/],
  [[['set'], []], /a role without operations/],
  [[['set']], /1 threads of 2 calls/],
] as const)
  it(`roles that cannot be: ${JSON.stringify(roles)}`, async () => {
    const given = linearizable({
      name: JSON.stringify(roles),
      create: () => new Latch(),
      operations: { set: [[]], isSet: [[]] },
      specification: SequentialLatch,
      roles,
    })
    await assert.rejects(given, says)
  })

/** Counts, with a lock and without. */
class Counter {
  readonly #cells = new Int32Array(new SharedArrayBuffer(8))

  next(): number {
    return Atomics.add(this.#cells, 1, 1)
  }

  nextUnderLock(): number {
    while (Atomics.compareExchange(this.#cells, 0, 0, 1) !== 0) Atomics.wait(this.#cells, 0, 1)
    const before = Atomics.load(this.#cells, 1)
    Atomics.store(this.#cells, 1, before + 1)
    Atomics.store(this.#cells, 0, 0)
    Atomics.notify(this.#cells, 0, 1)
    return before
  }

  skipOne(): number {
    Atomics.add(this.#cells, 1, 1)
    return Atomics.add(this.#cells, 1, 1)
  }
}

class SequentialCounter {
  #value = 0

  next(): number {
    return this.#value++
  }
}

it('a call in which a thread is ended may have taken effect or not, and nobody waits for it', async () => {
  const given = { create: () => new Counter(), specification: SequentialCounter }
  const locked = { next: (counter: Counter) => counter.nextUnderLock() }
  assert.equal((await linearizable({ ...given, operations: locked })).verdict, 'pass')
  // Others get its number where it was ended before it was told of it, or the next.
  const free = await linearizable({ ...given, operations: { next: [[]] }, terminate: true })
  assert.deepEqual([free.verdict, free.complete], ['pass', true])
  const fails = (operations: object): Promise<unknown> =>
    linearizable({ ...given, operations: operations as typeof locked, calls: 1, terminate: true })
  await assert.rejects(fails(locked), /was ended, as terminate may/)
  await assert.rejects(fails({ next: (counter: Counter) => counter.skipOne() }), /no order of the calls/)
})
