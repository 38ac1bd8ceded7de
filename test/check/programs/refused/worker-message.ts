// A thread sends a message to a thread of Node, which runs as long as the process does.

import { Worker } from 'node:worker_threads'

const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true })

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array): void => {
      worker.postMessage(Atomics.load(cells, 0))
    },
  ],
}
