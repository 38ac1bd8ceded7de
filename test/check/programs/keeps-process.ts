// The file listens, which keeps a process alive for as long as nobody ends it.

import { createServer } from 'node:net'

createServer().listen(0, '127.0.0.1')

const add = (cells: Int32Array): void => {
  Atomics.add(cells, 0, 1)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [add, add],
  invariant: (cells: Int32Array): boolean => cells[0] === 2,
}
