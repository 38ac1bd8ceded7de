// A program that catches everything cannot hide that it was refused.

import { readFile } from 'node:fs/promises'

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
    (cells: Int32Array) => {
      try {
        void Promise.resolve(readFile('/dev/null'))
      } catch {
        Atomics.load(cells, 0)
      }
    },
  ],
}
