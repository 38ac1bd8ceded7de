// Hazard pointers on a stack: Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", IEEE TPDS
// 15(6), 2004, figures 2 and 4.
//
// A thread says which node it is about to read, and looks again whether that node is still on top; whoever has taken a
// node uses it again only when nobody says so. The error that the paper warns of is not to look again: the node may
// have been taken, and found to be of no interest to anybody, before the hazard pointer was set.
//
// Links lie in ordinary memory: that no node is written while somebody reads it is just what is to be shown.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const THREADS = 2
const TOP = 0
/** From here on, the node that each thread may read. */
const HAZARD = 1

class Stack {
  protected readonly cells = new Int32Array(new SharedArrayBuffer((HAZARD + THREADS) * 4))
  /** The node below each node, from 1. */
  readonly #below = new Int32Array(new SharedArrayBuffer(4 * 4))

  /** With the nodes 1 and 2 on it. */
  constructor() {
    this.#below[2] = 1
    this.cells[TOP] = 2
  }

  push(node: number): void {
    for (;;) {
      const top = Atomics.load(this.cells, TOP)
      this.#below[node] = top
      if (Atomics.compareExchange(this.cells, TOP, top, node) === top) return
    }
  }

  pop(me: number): number {
    for (;;) {
      const top = this.protectTop(me)
      if (top === 0) {
        Atomics.store(this.cells, HAZARD + me, 0)
        return 0
      }
      const below = this.#below[top]!
      const isMine = Atomics.compareExchange(this.cells, TOP, top, below) === top
      Atomics.store(this.cells, HAZARD + me, 0)
      if (isMine) return top
    }
  }

  /** Whether thread `me`, which has taken the node, may use it again. */
  isFree(node: number, me: number): boolean {
    return Atomics.load(this.cells, HAZARD + 1 - me) !== node
  }

  protected protectTop(me: number): number {
    for (;;) {
      const top = Atomics.load(this.cells, TOP)
      if (top === 0) return 0
      Atomics.store(this.cells, HAZARD + me, top)
      if (Atomics.load(this.cells, TOP) === top) return top
    }
  }
}

class TrustingStack extends Stack {
  protected override protectTop(me: number): number {
    const top = Atomics.load(this.cells, TOP)
    if (top !== 0) Atomics.store(this.cells, HAZARD + me, top)
    return top
  }
}

interface Shared {
  readonly stack: Stack
  readonly taken: readonly [number[], number[]]
}

function shared(stack: Stack): Shared {
  return { stack, taken: [[], []] }
}

/** Takes `count` nodes, and puts the first back if it may be used again. */
function takeAndReuse({ stack, taken }: Shared, me: 0 | 1, count: number): void {
  const nodes: number[] = []
  for (let each = 0; each < count; each++) nodes.push(stack.pop(me))
  const [first = 0] = nodes
  if (first !== 0 && stack.isFree(first, me)) {
    nodes.shift()
    stack.push(first)
  }
  taken[me].push(...nodes)
}

/** Each node is in one place, and nobody reads any. */
function invariant({ stack, taken }: Shared): void {
  for (const me of [0, 1]) for (const node of [1, 2]) assert.ok(stack.isFree(node, me))
  const nodes = taken.flat().filter((node) => node !== 0)
  for (let node = stack.pop(0); node !== 0 && nodes.length < 4; node = stack.pop(0)) nodes.push(node)
  assert.deepEqual(nodes.toSorted(), [1, 2])
}

it('nobody looks again whether the node is still on top', (test) => {
  const checking = check({
    setup: () => shared(new TrustingStack()),
    threads: [(state) => takeAndReuse(state, 0, 1), (state) => takeAndReuse(state, 1, 2)],
    invariant,
  })
  const steps = ['1: load cells[TOP] = 2', '0: cas cells[TOP] 2 → 1', '0: load cells[2] = 0']
  return breaks(
    test,
    checking,
    'race',
    ...steps,
    '0: write #below[2]',
    '1: store cells[2] 0 → 2',
    '1: read #below[2]',
  )
})

it('one node and two', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Stack()),
      threads: [(state) => takeAndReuse(state, 0, 1), (state) => takeAndReuse(state, 1, 2)],
      invariant,
    }),
  ))

it('two nodes each', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Stack()),
      threads: [(state) => takeAndReuse(state, 0, 2), (state) => takeAndReuse(state, 1, 2)],
      invariant,
    }),
  ))

it('two nodes each, twice', { skip: !isLarge }, (test) => {
  const twice = (me: 0 | 1) => (state: Shared) => {
    takeAndReuse(state, me, 2)
    takeAndReuse(state, me, 1)
  }
  return holds(
    test,
    check({ setup: () => shared(new Stack()), threads: [twice(0), twice(1)], invariant, seconds: 600 }),
  )
})
