// No engine lets a thread wait for a byte.

import { scenario } from '../../../src/check/scenario.ts'

function lock(bytes: Int8Array): void {
  while (Atomics.compareExchange(bytes, 0, 0, 1) !== 0) Atomics.wait(bytes as unknown as Int32Array, 0, 1)
  Atomics.store(bytes, 0, 0)
  Atomics.notify(bytes as unknown as Int32Array, 0, 1)
}

export default scenario({
  title: 'a lock in a byte',
  setup: () => new Int8Array(new SharedArrayBuffer(4)),
  threads: [lock, lock],
})
