// A scenario that says on standard error where it comes into a loop without end: in SPINS_IN.

import { writeSync } from 'node:fs'
import { scenario } from '../../../src/check/scenario.ts'

function spinIn(place: string): void {
  if (process.env['SPINS_IN'] !== place) return
  writeSync(2, 'spins\n')
  for (;;);
}

spinIn('module')

export default scenario({
  setup() {
    spinIn('setup')
    return new Int32Array(new SharedArrayBuffer(4))
  },
  threads: [
    (cells) => {
      Atomics.add(cells, 0, 1)
      spinIn('thread')
    },
  ],
})
