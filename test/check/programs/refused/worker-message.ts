// The file itself starts a Worker, before there are threads.

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
