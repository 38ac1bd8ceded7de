// Threads that wait and notify, made from lists of operations, for comparison with a plain enumeration.

export type WaitingStep = readonly [
  kind: 'load' | 'store' | 'add' | 'wait' | 'timed' | 'notify' | 'await' | 'skip',
  cell: number,
  operand: number,
]

interface State {
  readonly cells: Int32Array
  readonly results: (number | string)[][]
}

type Report = (results: readonly (readonly (number | string)[])[], ended: number | null) => void

/** A scenario whose threads do the given steps; `report` is called at the end of every execution. */
export function make(lists: readonly (readonly WaitingStep[])[], report: Report, terminate = false) {
  return {
    setup: (): State => ({
      cells: new Int32Array(new SharedArrayBuffer(8)),
      results: lists.map(() => []),
    }),
    threads: lists.map((list, thread) => (state: State) => perform(state, thread, list, 0)),
    invariant: (state: State, ended: number | null) => report(state.results, ended),
    terminate,
  }
}

/** One after the other by recursion: a loop whose turns are alike would be taken for one that spins. */
function perform(state: State, thread: number, list: readonly WaitingStep[], at: number): void {
  const step = list[at]
  if (step === undefined) return
  const results = state.results[thread]!
  results.push(performOne(state.cells, step))
  // A step that decides whether the next one is done.
  const skips = step[0] === 'skip' && results[at] === step[2] && at + 1 < list.length
  if (skips) results.push('skipped')
  perform(state, thread, list, skips ? at + 2 : at + 1)
}

function performOne(cells: Int32Array, [kind, cell, operand]: WaitingStep): number | string {
  if (kind === 'load' || kind === 'skip') return Atomics.load(cells, cell)
  if (kind === 'store') return Atomics.store(cells, cell, operand)
  if (kind === 'add') return Atomics.add(cells, cell, operand)
  if (kind === 'wait') return Atomics.wait(cells, cell, operand)
  if (kind === 'timed') return Atomics.wait(cells, cell, operand, 10)
  if (kind === 'notify') return Atomics.notify(cells, cell, operand)
  while (Atomics.load(cells, cell) === operand);
  return 0
}
