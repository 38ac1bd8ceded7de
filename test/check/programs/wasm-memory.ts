// A memory of WebAssembly without a module: each look at its buffer may give another object.

import { scenario } from '../../../src/check/scenario.ts'

function add(memory: WebAssembly.Memory): void {
  Atomics.store(new Int32Array(memory.buffer), 0, Atomics.load(new Int32Array(memory.buffer), 0) + 1)
}

export default scenario({
  title: 'a memory of WebAssembly',
  setup: () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
  threads: [add, add],
  invariant: (memory) => {
    if (new Int32Array(memory.buffer)[0] !== 2) throw new Error('an update was lost')
  },
})
