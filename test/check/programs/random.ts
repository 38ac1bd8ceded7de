// Threads made from lists of operations, for comparison with a plain enumeration.

export type Step = readonly [
  kind: 'load' | 'store' | 'add' | 'cas' | 'count' | 'mark' | 'lock' | 'unlock',
  cell: number,
  operand: number,
  expected: number,
]

interface State {
  readonly cells: Int32Array
  readonly results: number[][]
}

type Report = (results: readonly (readonly number[])[]) => void

/** A scenario whose threads do the given steps; `report` is called at the end of every execution. */
export function make(lists: readonly (readonly Step[])[], report: Report) {
  return {
    setup: (): State => ({
      cells: new Int32Array(new SharedArrayBuffer(16)),
      results: lists.map(() => []),
    }),
    threads: lists.map((list, thread) => (state: State) => {
      for (const step of list) state.results[thread]!.push(perform(state.cells, step))
    }),
    invariant: (state: State) => report(state.results),
  }
}

/**
 * A scenario whose threads do the steps of one of `lists` each: those that do the same are the same function, and
 * their results are told in the order in which they end.
 */
export function makeAlike(lists: readonly (readonly Step[])[], which: readonly number[], report: Report) {
  const functions = lists.map((list, number) => (state: State) => {
    const results = [number]
    for (const step of list) results.push(perform(state.cells, step))
    state.results.push(results)
  })
  return {
    setup: (): State => ({ cells: new Int32Array(new SharedArrayBuffer(16)), results: [] }),
    threads: which.map((number) => functions[number]!),
    invariant: (state: State) => report([...state.results, [...state.cells]]),
  }
}

function perform(cells: Int32Array, [kind, cell, operand, expected]: Step): number {
  if (kind === 'load') return Atomics.load(cells, cell)
  if (kind === 'store') return Atomics.store(cells, cell, operand)
  if (kind === 'add') return Atomics.add(cells, cell, operand)
  if (kind === 'cas') return Atomics.compareExchange(cells, cell, expected, operand)
  if (kind === 'unlock') return Atomics.store(cells, cell, 0)
  if (kind === 'count') {
    Atomics.add(cells, cell, operand)
    return 0
  }
  if (kind === 'mark') {
    Atomics.or(cells, cell, operand)
    return 0
  }
  while (Atomics.compareExchange(cells, cell, 0, 1) !== 0) Atomics.pause()
  return 0
}
