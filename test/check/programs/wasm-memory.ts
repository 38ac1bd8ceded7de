// Instructions of WebAssembly could change this memory, and nobody would see it.

import { scenario } from '../../../src/check/scenario.ts'

function touch(memory: WebAssembly.Memory): void {
  Atomics.add(new Int32Array(memory.buffer), 0, 1)
}

export default scenario({
  title: 'a memory of WebAssembly',
  setup: () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
  threads: [touch, touch],
})
