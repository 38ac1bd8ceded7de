// The work-stealing deque of Chase and Lev: "Dynamic Circular Work-Stealing Deque", SPAA 2005, figure 1; as Lê, Pop,
// Cohen and Zappa Nardelli put it down for weak memory, PPoPP 2013.
//
// Its owner pushes and takes at the bottom, thieves steal from the top. The owner says that it takes the last but one
// before it looks where the thieves are: were it the other way round, as a processor without a fence there has it,
// both get the last. And a thief reads before it swaps: afterwards the owner may have put something else there.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check, linearizable } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const TOP = 0
const BOTTOM = 1
/** The logarithm of the size of the array in use. */
const LOG = 2
const LOG_MAX = 2
/** The arrays, the smallest first, each before the place that is its size. */
const ITEMS = 2

class Deque {
  protected readonly cells = new Int32Array(new SharedArrayBuffer((ITEMS + (2 << LOG_MAX)) * 4))

  push(value: number): void {
    const { cells } = this
    const bottom = Atomics.load(cells, BOTTOM)
    const top = Atomics.load(cells, TOP)
    let log = Atomics.load(cells, LOG)
    if (bottom - top >= 1 << log) {
      log++
      for (let at = top; at < bottom; at++)
        Atomics.store(cells, place(log, at), Atomics.load(cells, place(log - 1, at)))
      Atomics.store(cells, LOG, log)
    }
    Atomics.store(cells, place(log, bottom), value)
    Atomics.store(cells, BOTTOM, bottom + 1)
  }

  take(): number | null {
    const { cells } = this
    const [bottom, top] = this.lowerBottom()
    if (top > bottom) {
      Atomics.store(cells, BOTTOM, bottom + 1)
      return null
    }
    const value = Atomics.load(cells, place(Atomics.load(cells, LOG), bottom))
    if (top < bottom) return value
    const isMine = Atomics.compareExchange(cells, TOP, top, top + 1) === top
    Atomics.store(cells, BOTTOM, bottom + 1)
    return isMine ? value : null
  }

  steal(): number | null {
    const { cells } = this
    for (;;) {
      const top = Atomics.load(cells, TOP)
      if (top >= Atomics.load(cells, BOTTOM)) return null
      const value = this.stealFrom(top)
      if (value !== null) return value
    }
  }

  /** What the owner would take, and where the thieves are. */
  protected lowerBottom(): [bottom: number, top: number] {
    const bottom = Atomics.load(this.cells, BOTTOM) - 1
    Atomics.store(this.cells, BOTTOM, bottom)
    return [bottom, Atomics.load(this.cells, TOP)]
  }

  /** What is on top, if it still is. */
  protected stealFrom(top: number): number | null {
    const { cells } = this
    const value = Atomics.load(cells, place(Atomics.load(cells, LOG), top))
    return Atomics.compareExchange(cells, TOP, top, top + 1) === top ? value : null
  }
}

function place(log: number, at: number): number {
  return ITEMS + (1 << log) + (at & ((1 << log) - 1))
}

class UnfencedDeque extends Deque {
  protected override lowerBottom(): [bottom: number, top: number] {
    const top = Atomics.load(this.cells, TOP)
    const bottom = Atomics.load(this.cells, BOTTOM) - 1
    Atomics.store(this.cells, BOTTOM, bottom)
    return [bottom, top]
  }
}

class LateReadingDeque extends Deque {
  protected override stealFrom(top: number): number | null {
    const { cells } = this
    if (Atomics.compareExchange(cells, TOP, top, top + 1) !== top) return null
    return Atomics.load(cells, place(Atomics.load(cells, LOG), top))
  }
}

interface Shared {
  readonly deque: Deque
  readonly got: readonly (number | null)[][]
}

function shared(deque: Deque): Shared {
  return { deque, got: [[], [], []] }
}

function ownTwo({ deque, got }: Shared): void {
  deque.push(1)
  deque.push(2)
  got[0]!.push(deque.take(), deque.take())
}

function ownThree({ deque, got }: Shared): void {
  deque.push(1)
  got[0]!.push(deque.take())
  deque.push(2)
  deque.push(3)
  got[0]!.push(deque.take())
}

function stealTwo({ deque, got }: Shared): void {
  got[1]!.push(deque.steal(), deque.steal())
}

/** Everything that was pushed was got once, or is there still; the owner, who took twice, left nothing of that. */
function eachOnce(values: number): (shared: Shared) => void {
  return ({ deque, got }) => {
    const left: number[] = []
    for (let value = deque.steal(); value !== null; value = deque.steal()) left.push(value)
    const all = [...got.flat(), ...left].filter((value) => value !== null)
    const pushed = Array.from({ length: values }, (_, index) => index + 1)
    assert.deepEqual(all.toSorted(), pushed)
    assert.ok(left.length <= values - 2)
  }
}

it('an owner who looks for thieves too early takes what is stolen', (test) => {
  const checking = check({
    setup: () => shared(new UnfencedDeque()),
    threads: [ownTwo, stealTwo],
    invariant: eachOnce(2),
  })
  const steps = ['0: load cells[TOP] = 0', '1: cas cells[TOP] 0 → 1', '1: cas cells[TOP] 1 → 2']
  return breaks(test, checking, 'error', ...steps, 'Expected values to be strictly deep-equal')
})

it('a thief who reads too late gets what is pushed after it', (test) => {
  const checking = check({
    setup: () => shared(new LateReadingDeque()),
    threads: [ownThree, stealTwo],
    invariant: eachOnce(3),
  })
  const steps = ['1: cas cells[TOP] 1 → 2', '0: store cells[3] 2 → 3', '1: load cells[3] = 3']
  return breaks(test, checking, 'error', ...steps, 'Expected values to be strictly deep-equal')
})

it('an owner and a thief', (test) =>
  holds(
    test,
    check({ setup: () => shared(new Deque()), threads: [ownTwo, stealTwo], invariant: eachOnce(2) }),
  ))

it('an owner whose array grows, and a thief', (test) =>
  holds(
    test,
    check({ setup: () => shared(new Deque()), threads: [ownThree, stealTwo], invariant: eachOnce(3) }),
  ))

it('an owner and two thieves', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Deque()),
      threads: [
        ownTwo,
        ({ deque, got }) => void got[1]!.push(deque.steal()),
        ({ deque, got }) => void got[2]!.push(deque.steal()),
      ],
      invariant: eachOnce(2),
    }),
  ))

class SequentialDeque {
  readonly values: number[] = []

  push(value: number): void {
    this.values.push(value)
  }

  take(): number | null {
    return this.values.pop() ?? null
  }

  steal(): number | null {
    return this.values.shift() ?? null
  }
}

/** Only its owner may call push and take, and whoever is a thief, steal. */
const asDeque = (create: () => Deque): Parameters<typeof linearizable<Deque>>[0] => ({
  create,
  operations: { push: [[1], [2]], take: [[]], steal: [[]] },
  roles: [['push', 'take'], ['steal']],
  calls: 3,
  programs: 20,
  specification: SequentialDeque,
})

it('whatever an owner and a thief call, it is a deque', (test) =>
  holds(test, linearizable(asDeque(() => new Deque()))))

it('whatever they call, the one without a fence is not', (test) =>
  breaks(test, linearizable(asDeque(() => new UnfencedDeque())), 'error', 'no order of the calls'))

it('an owner and two thieves of two each', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Deque()),
      threads: [ownThree, stealTwo, ({ deque, got }) => void got[2]!.push(deque.steal(), deque.steal())],
      invariant: eachOnce(3),
      seconds: 600,
    }),
  ),
)
