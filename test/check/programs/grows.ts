// A thread grows shared memory of which no array is made: another looks at its length.

import { scenario } from '../../../src/check/scenario.ts'

const { grow } = SharedArrayBuffer.prototype

export default scenario({
  setup: () => new SharedArrayBuffer(8, { maxByteLength: 16 }),
  threads: [
    (memory) => {
      Reflect.apply(grow, memory, [16])
    },
    (memory) => {
      if (memory.byteLength > 8) throw new Error('it has grown')
    },
  ],
})
