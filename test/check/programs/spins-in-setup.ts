// The setup comes to no end.

import { scenario } from '../../../src/check/scenario.ts'

export default scenario({
  title: 'a setup in a loop without end',
  setup() {
    const cells = new Int32Array(new SharedArrayBuffer(8))
    do cells[1]! += 1
    while (cells.length > 0)
    return cells
  },
  threads: [(cells) => void Atomics.store(cells, 0, 1)],
})
