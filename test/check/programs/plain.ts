// Threads made from lists of atomic operations, plain accesses and looks at a clock, for a comparison of what is a data
// race.

export type PlainStep = readonly [
  kind: 'load' | 'store' | 'add' | 'read' | 'write' | 'wait' | 'notify' | 'look',
  cell: number,
]

/** A scenario whose threads do the given steps. */
export function make(lists: readonly (readonly PlainStep[])[]) {
  return {
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: lists.map((list) => (cells: Int32Array) => {
      for (const step of list) perform(cells, step)
    }),
  }
}

function perform(cells: Int32Array, [kind, cell]: PlainStep): void {
  if (kind === 'load') Atomics.load(cells, cell)
  else if (kind === 'store') Atomics.store(cells, cell, 1)
  else if (kind === 'add') Atomics.add(cells, cell, 1)
  else if (kind === 'wait') Atomics.wait(cells, cell, 0, 10)
  else if (kind === 'notify') Atomics.notify(cells, cell)
  else if (kind === 'look') Date.now()
  else if (kind === 'write') cells[cell] = 2
  else read(cells[cell]!)
}

function read(_value: number): void {
  // The value does not matter.
}
