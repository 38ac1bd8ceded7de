// A thread comes into a loop without end and without an operation of Atomics.

import { scenario } from '../../../src/check/scenario.ts'

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
const store = (cells: Int32Array): void => void Atomics.store(cells, 0, 1)

/** What is thrown to end the loop must not be caught by the program. */
export default scenario({
  title: 'a thread in a loop without end',
  setup,
  threads: [
    function spins(cells) {
      if (Atomics.load(cells, 0) === 0) return
      for (;;) {
        try {
          while (cells.length > 0);
        } catch {
          // Once more.
        }
      }
    },
    store,
  ],
})
