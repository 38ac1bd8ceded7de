// ringbuf.js: one thread pushes, another pops, as its README has it: a RingBuffer on each side of one storage.

import { RingBuffer } from 'ringbuf.js'
import { scenario } from '../../../src/check/scenario.ts'

export default scenario({
  title: 'ringbuf.js 0.4.0: a producer and a consumer',
  setup: () => ({ storage: RingBuffer.getStorageForCapacity(2, Uint8Array), popped: [] as number[] }),
  threads: [
    ({ storage }) => {
      const ring = new RingBuffer(storage, Uint8Array)
      for (const value of [1, 2, 3]) ring.push(new Uint8Array([value]))
    },
    ({ storage, popped }) => {
      const ring = new RingBuffer(storage, Uint8Array)
      const into = new Uint8Array(2)
      for (let turn = 0; turn < 2; turn++) popped.push(...into.subarray(0, ring.pop(into)))
    },
  ],
  invariant({ popped }) {
    // What was put in first comes out first, and nothing twice.
    return popped.every((value, index) => value === index + 1)
  },
})
