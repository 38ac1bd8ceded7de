// A thread that does something else each time.

import { randomFillSync } from 'node:crypto'

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array): void => {
      Atomics.store(cells, 0, randomFillSync(new Int32Array(1))[0]!)
    },
    (cells: Int32Array): void => {
      Atomics.store(cells, 1, Atomics.load(cells, 0))
    },
  ],
}
