// A lock, and a flag that tells of what was written before it: some of its lines come in one order only.

import { scenario } from '../../../src/check/scenario.ts'

const [LOCK, LOCKED, FLAG, TOLD, NEVER] = [0, 1, 2, 3, 4] as const

function lock(cells: Int32Array): void {
  while (Atomics.compareExchange(cells, LOCK, 0, 1) !== 0) Atomics.wait(cells, LOCK, 1)
}

function unlock(cells: Int32Array): void {
  Atomics.store(cells, LOCK, 0)
  Atomics.notify(cells, LOCK, 1)
}

export default scenario({
  setup: () => ({ cells: new Int32Array(new SharedArrayBuffer(32)) }),
  threads: [
    ({ cells }) => {
      lock(cells)
      cells[LOCKED] = 7
      unlock(cells)
      cells[TOLD] = 1
      Atomics.store(cells, FLAG, 1)
    },
    ({ cells }) => {
      lock(cells)
      const seen = cells[LOCKED]!
      unlock(cells)
      if (seen > 7) Atomics.store(cells, NEVER, 1)
      if (Atomics.load(cells, FLAG) === 1) return cells[TOLD]
      return 0
    },
  ],
})
