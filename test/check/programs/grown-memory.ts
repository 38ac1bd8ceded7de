// The buffer becomes longer while two threads use it.

import { scenario } from '../../../src/check/scenario.ts'

function grow(memory: SharedArrayBuffer): void {
  memory.grow(8)
  Atomics.add(new Int32Array(memory), 1, 1)
}

export default scenario({
  title: 'a buffer that grows',
  setup: () => new SharedArrayBuffer(4, { maxByteLength: 8 }),
  threads: [grow, grow],
})
