// The same, read only when it is there.

import { scenario } from '../../../src/check/scenario.ts'

export default scenario({
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      cells[1] = 42
      Atomics.store(cells, 0, 1)
    },
    (cells: Int32Array) => {
      if (Atomics.load(cells, 0) === 1 && cells[1] !== 42) throw new Error('stale')
    },
  ],
})
