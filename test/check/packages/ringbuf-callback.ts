// ringbuf.js: writeCallback with a callback that writes less than it may, and nothing at all at last.

import { RingBuffer } from 'ringbuf.js'
import { scenario } from '../../../src/check/scenario.ts'

export default scenario({
  title: 'ringbuf.js 0.4.0: a callback that has nothing to write',
  setup: () => ({ storage: RingBuffer.getStorageForCapacity(2, Uint8Array), popped: [] as number[] }),
  threads: [
    ({ storage }) => {
      new RingBuffer(storage, Uint8Array).writeCallback(1, () => 0)
    },
    ({ storage, popped }) => {
      const into = new Uint8Array(2)
      popped.push(new RingBuffer(storage, Uint8Array).pop(into))
    },
  ],
  invariant: ({ popped }) => popped[0] === 0,
})
