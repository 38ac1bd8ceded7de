// Threads made from lists of operations, of which some are done only where the one before has read a certain value: so
// a thread comes late, and seldom, to what another seems to have for itself.

export type LateStep = readonly [
  kind: 'load' | 'store' | 'add' | 'count' | 'plain',
  cell: number,
  /** It is done only if the last result was this. */
  after: number | null,
]

const CELLS = 6

interface State {
  readonly cells: Int32Array
  readonly plain: Int32Array
}

export function make(lists: readonly (readonly LateStep[])[]) {
  return {
    setup: (): State => ({
      cells: new Int32Array(new SharedArrayBuffer(CELLS * 4)),
      plain: new Int32Array(new SharedArrayBuffer(CELLS * 4)),
    }),
    threads: lists.map((list) => (state: State) => {
      let last = 0
      for (const [kind, cell, after] of list) {
        if (after === null || after === last) last = perform(state, kind, cell, last)
      }
    }),
  }
}

function perform({ cells, plain }: State, kind: LateStep[0], cell: number, last: number): number {
  if (kind === 'load') return Atomics.load(cells, cell)
  if (kind === 'add') return Atomics.add(cells, cell, 1)
  if (kind === 'count') Atomics.add(cells, cell, 1)
  else if (kind === 'store') Atomics.store(cells, cell, last + 1)
  else cells[cell] = plain[cell]! + 1
  return last
}
