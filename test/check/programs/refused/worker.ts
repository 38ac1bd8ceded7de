// A thread starts a Worker that is to read what it is given as input.

import { Worker } from 'node:worker_threads'

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array): void => {
      const worker = new Worker('', { eval: true, workerData: cells, stdin: true })
      worker.unref()
    },
  ],
}
