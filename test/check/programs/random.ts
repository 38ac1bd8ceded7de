// Threads made from lists of operations, for comparison with a plain enumeration.

export type Step = readonly [
  kind: 'load' | 'store' | 'add' | 'cas',
  cell: number,
  operand: number,
  expected: number,
]

interface State {
  readonly cells: Int32Array
  readonly results: number[][]
}

/** A scenario whose threads do the given steps; `report` is called at the end of every execution. */
export function make(lists: readonly (readonly Step[])[], report: (results: readonly number[][]) => void) {
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

function perform(cells: Int32Array, [kind, cell, operand, expected]: Step): number {
  if (kind === 'load') return Atomics.load(cells, cell)
  if (kind === 'store') return Atomics.store(cells, cell, operand)
  if (kind === 'add') return Atomics.add(cells, cell, operand)
  return Atomics.compareExchange(cells, cell, expected, operand)
}
