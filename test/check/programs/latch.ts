// One latch for two threads, held against a sequential one.

import { linearizable } from '../../../src/check.ts'

export default linearizable({
  create: () => new Int32Array(new SharedArrayBuffer(4)),
  operations: { set: (cells) => Atomics.exchange(cells, 0, 1) },
  specification: () => {
    let value = 0
    return {
      set() {
        const before = value
        value = 1
        return before
      },
    }
  },
})
