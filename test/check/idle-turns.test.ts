// Turns of loops that change nothing: which loops wait, and so end in a deadlock where nobody is left, and which go on.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckResult, ScenarioFailed, check } from '../../src/check.ts'

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
const limits = { maxSteps: 2000, minimiseSeconds: 0 }

async function outcome(checking: Promise<CheckResult>): Promise<string> {
  try {
    const { verdict, complete } = await checking
    return `${verdict} ${complete}`
  } catch (error) {
    assert.ok(error instanceof ScenarioFailed, String(error))
    return error.result.failure!.kind
  }
}

/** A place for one value, whose methods have the names of those that change an array. */
class Place {
  readonly #cells = setup()

  push(value: number): boolean {
    return Atomics.compareExchange(this.#cells, 0, 0, value) === 0
  }

  pop(): number | null {
    const value = Atomics.exchange(this.#cells, 0, 0)
    return value === 0 ? null : value
  }

  peek(): number | null {
    return Atomics.load(this.#cells, 0) || null
  }
}

function put(place: Place, value: number): boolean {
  return place.push(value)
}

describe('a turn that changes nothing', () => {
  it('is one also where it sets a variable to what that was', async () => {
    const awaitValue = (place: Place): void => {
      let value = place.peek()
      while (value === null) value = place.peek()
      assert.equal(value, 1)
    }
    const threads = [awaitValue, (place: Place): void => void place.push(1)]
    assert.equal(await outcome(check({ ...limits, setup: () => new Place(), threads })), 'pass true')
    assert.equal(
      await outcome(check({ ...limits, setup: () => new Place(), threads: [awaitValue] })),
      'deadlock',
    )
  })

  it('is one also where it calls methods and functions of the program that are named as changes', async () => {
    const threads = [
      (place: Place): void => {
        while (!place.push(1));
        while (!put(place, 2));
      },
      (place: Place): void => {
        while (place.peek() === null);
        place.pop()
        while (place.peek() === null);
        place.pop()
      },
    ]
    assert.equal(await outcome(check({ ...limits, setup: () => new Place(), threads })), 'pass true')
    assert.equal(
      await outcome(check({ ...limits, setup: () => new Place(), threads: [threads[0]!] })),
      'deadlock',
    )
  })

  it('is none where it sets a variable to something else', async () => {
    const checking = check({
      ...limits,
      setup,
      threads: [
        (cells) => {
          let turns = 0
          while (Atomics.load(cells, 0) === 0 && turns < 3) turns = turns + 1
          assert.notEqual(turns, 3)
        },
        (cells) => void Atomics.store(cells, 0, 1),
      ],
    })
    assert.equal(await outcome(checking), 'error')
  })

  it('is none where it changes an array of the program', async () => {
    const checking = check({
      ...limits,
      setup,
      threads: [
        (cells) => {
          const seen: number[] = []
          while (Atomics.load(cells, 0) === 0) {
            seen.push(0)
            if (seen.length === 3) throw new Error('three turns')
          }
        },
        (cells) => void Atomics.store(cells, 0, 1),
      ],
    })
    assert.equal(await outcome(checking), 'error')
  })

  for (const [what, make, counts] of [
    ['a date', () => new Date(0), (date: Date) => date.setTime(date.getTime() + 1)],
    ['the position of a regular expression', () => /a/y, (a: RegExp) => (a.test('aaaa') ? a.lastIndex : 0)],
    [
      'a buffer',
      () => Buffer.alloc(4),
      (buffer: Buffer) => buffer.writeInt32LE(buffer.readInt32LE(0) + 1, 0) && buffer.readInt32LE(0),
    ],
    [
      'the parameters of an address',
      () => new URLSearchParams(),
      (all: URLSearchParams) => {
        all.append('turn', '')
        return all.size
      },
    ],
    [
      'an iterator that a typed array takes up',
      () => ({ left: [1, 2].values(), turns: 0 }),
      (walk: { left: Iterator<number>; turns: number }) => {
        const taken = new Uint8Array(walk.left as never)
        return taken.length === 0 ? 3 : 0
      },
    ],
  ] as [string, () => object, (counter: never) => number][])
    it(`is none where it changes ${what}`, async () => {
      const checking = check({
        ...limits,
        name: what,
        setup,
        threads: [
          (cells) => {
            const counter = make() as never
            while (Atomics.load(cells, 0) === 0) if (counts(counter) === 3) throw new Error('three turns')
          },
          (cells) => void Atomics.store(cells, 0, 1),
        ],
      })
      assert.equal(await outcome(checking), 'error')
    })

  it('is none of a call where it was one of another: a function that goes through its loop within a turn', async () => {
    const until = (cells: Int32Array, cell: number, body: () => void): void => {
      do body()
      while (Atomics.load(cells, cell) === 0)
    }
    for (const turns of [2, 3]) {
      const checking = check({
        ...limits,
        setup,
        threads: [
          (cells) => {
            Atomics.store(cells, 0, 1)
            until(cells, 1, () => {
              Atomics.add(cells, 0, 1)
              until(cells, 0, () => {})
            })
          },
          (cells) => {
            const seen = Atomics.load(cells, 0)
            Atomics.store(cells, 1, 1)
            assert.ok(seen <= turns)
          },
        ],
      })
      assert.equal(await outcome(checking), 'error')
    }
  })

  it('is none where the thread was woken in it: who notifies next must find it again', async () => {
    for (const time of [undefined, 10]) {
      const checking = check({
        ...limits,
        setup,
        threads: [
          (cells) => {
            while (Atomics.load(cells, 0) === 0) Atomics.wait(cells, 0, 0, time)
          },
          (cells) => {
            let woken = 0
            for (let turn = 0; turn < 4; turn++) woken += Atomics.notify(cells, 0)
            Atomics.store(cells, 0, 1)
            Atomics.notify(cells, 0)
            if (woken === 4) throw new Error('it was there each time')
          },
        ],
      })
      assert.equal(await outcome(checking), 'error')
    }
  })
})

it('a race is told at once where both threads are in loops without end after it', async () => {
  const enter = (mine: number) => (cells: Int32Array) => {
    cells[mine] = 1
    while (cells[1 - mine] !== 0);
    Atomics.store(cells, mine, 0)
  }
  const checking = check({ setup, threads: [enter(0), enter(1)] })
  await assert.rejects(checking, (error) => {
    assert.ok(error instanceof ScenarioFailed)
    const { kind, counterexample, token } = error.result.failure!
    assert.deepEqual([kind, error.result.executions], ['race', 1])
    assert.ok(token !== null)
    const told = counterexample.broken.details.join('\n')
    assert.match(
      told,
      /^the read of thread 0: read cells\[1\] = 0 at .*\n.*\nthe write of thread 1: write cells\[1\] ← 1 /,
    )
    return true
  })
})

it('who pauses for what is plain lets the others come to write it', async () => {
  const arrive = (cells: Int32Array): void => {
    if (Atomics.sub(cells, 0, 1) === 1) Atomics.store(cells, 1, 1)
    else while (cells[1] !== 1) Atomics.pause()
  }
  const begin = (): Int32Array => {
    const cells = setup()
    cells[0] = 2
    return cells
  }
  assert.equal(await outcome(check({ setup: begin, threads: [arrive, arrive], minimiseSeconds: 1 })), 'race')
})
