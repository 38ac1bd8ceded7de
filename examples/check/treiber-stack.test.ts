// Treiber's stack: "Systems Programming: Coping with Parallelism", IBM Research Report RJ 5118, 1986.
//
// Its error is older than it: ABA, of which the manual of the System/370 warns. A thread has read the top node A and
// the one below it, B. Others take both and put A back; the top is A again, so that the swap succeeds, and B, which
// somebody has, is on the stack. With a count of the changes beside the top, the swap fails.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { check, linearizable } from 'faultline/check'
import { breaks, holds, isLarge } from './verdicts.ts'

const NODES = 6
/** The top of the stack: 0 for none, else the number of a node, with a count of changes in front. */
const TOP = 0
/** From here on, the node below each node, from 1. */
const BELOW = 1

class Stack {
  readonly #cells = new Int32Array(new SharedArrayBuffer((BELOW + 1 + NODES) * 4))

  /** With the nodes 1 to `nodes` on it, the last on top. */
  constructor(nodes = 0) {
    for (let node = 1; node <= nodes; node++) this.#cells[BELOW + node] = node - 1
    this.#cells[TOP] = nodes
  }

  push(node: number): void {
    for (;;) {
      const top = Atomics.load(this.#cells, TOP)
      Atomics.store(this.#cells, BELOW + node, nodeOf(top))
      if (Atomics.compareExchange(this.#cells, TOP, top, this.next(top, node)) === top) return
    }
  }

  /** The node that was on top; 0 if there was none. */
  pop(): number {
    for (;;) {
      const top = Atomics.load(this.#cells, TOP)
      const node = nodeOf(top)
      if (node === 0) return 0
      const below = Atomics.load(this.#cells, BELOW + node)
      if (Atomics.compareExchange(this.#cells, TOP, top, this.next(top, below)) === top) return node
    }
  }

  /** What is to stand in the place of `top` when `node` is on top. */
  protected next(top: number, node: number): number {
    return ((top >> 8) + 1) * 256 + node
  }
}

function nodeOf(top: number): number {
  return top & 255
}

class UncountedStack extends Stack {
  protected override next(_: number, node: number): number {
    return node
  }
}

interface Shared {
  readonly stack: Stack
  /** What each thread has taken and not put back. */
  readonly taken: readonly [number[], number[]]
}

function shared(stack: Stack): Shared {
  return { stack, taken: [[], []] }
}

function takeOne({ stack, taken }: Shared): void {
  taken[0].push(stack.pop())
}

function takeTwoAndPutBack({ stack, taken }: Shared): void {
  const first = stack.pop()
  taken[1].push(stack.pop())
  if (first !== 0) stack.push(first)
}

/** Each node is on the stack, or one thread has it. */
function nothingTwice({ stack, taken }: Shared): void {
  const nodes = taken.flat().filter((node) => node !== 0)
  for (let node = stack.pop(); node !== 0 && nodes.length < NODES; node = stack.pop()) nodes.push(node)
  assert.deepEqual(nodes.toSorted(), [1, 2])
}

it('without a count, a node is on the stack and in use', (test) => {
  const checking = check({
    setup: () => shared(new UncountedStack(2)),
    threads: [takeOne, takeTwoAndPutBack],
    invariant: nothingTwice,
  })
  const steps = [
    '0: load #cells[TOP] = 2',
    '0: load #cells[3] = 1',
    '1: cas #cells[TOP] 2 → 1',
    '1: cas #cells[TOP] 1 → 0',
  ]
  return breaks(test, checking, 'error', ...steps, '1: cas #cells[TOP] 0 → 2', '0: cas #cells[TOP] 2 → 1')
})

it('with a count, each node is in one place', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Stack(2)),
      threads: [takeOne, takeTwoAndPutBack],
      invariant: nothingTwice,
    }),
  ))

it('three threads take and put back', (test) =>
  holds(
    test,
    check({
      setup: () => shared(new Stack(2)),
      threads: [takeOne, takeTwoAndPutBack, ({ stack }) => stack.push(3)],
      invariant({ stack, taken }) {
        const nodes = taken.flat().filter((node) => node !== 0)
        for (let node = stack.pop(); node !== 0 && nodes.length < NODES; node = stack.pop()) nodes.push(node)
        assert.deepEqual(nodes.toSorted(), [1, 2, 3])
      },
    }),
  ))

const pushAndPop = (node: number) => (stack: Stack) => {
  stack.push(node)
  assert.notEqual(stack.pop(), 0)
}

it('a push and a pop each, of two threads', (test) =>
  holds(test, check({ setup: () => new Stack(), threads: [pushAndPop(1), pushAndPop(2)] })))

it('a push and a pop each, of three threads', { skip: !isLarge }, (test) =>
  holds(
    test,
    check({ setup: () => new Stack(), threads: [pushAndPop(1), pushAndPop(2), pushAndPop(3)], seconds: 600 }),
  ),
)

interface Valued {
  readonly stack: Stack
  /** How many nodes are in use, and the value of each: none is used twice. */
  readonly values: Int32Array
}

const valued = (): Valued => ({
  stack: new Stack(),
  values: new Int32Array(new SharedArrayBuffer((1 + NODES) * 4)),
})

function pushValue({ stack, values }: Valued, value: number): void {
  const node = Atomics.add(values, 0, 1) + 1
  Atomics.store(values, node, value)
  stack.push(node)
}

function popValue({ stack, values }: Valued): number | null {
  const node = stack.pop()
  return node === 0 ? null : Atomics.load(values, node)
}

class SequentialStack {
  readonly #values: number[] = []

  push(value: number): void {
    this.#values.push(value)
  }

  pop(): number | null {
    return this.#values.pop() ?? null
  }
}

it('what comes last goes first', (test) =>
  holds(
    test,
    linearizable({
      create: valued,
      operations: { push: { call: pushValue, arguments: [[1], [2]] }, pop: popValue },
      specification: SequentialStack,
    }),
  ))

it('two threads of three calls each', { skip: !isLarge }, (test) =>
  holds(
    test,
    linearizable({
      create: valued,
      operations: { push: { call: pushValue, arguments: [[1]] }, pop: popValue },
      specification: SequentialStack,
      calls: 3,
      seconds: 600,
    }),
  ),
)
