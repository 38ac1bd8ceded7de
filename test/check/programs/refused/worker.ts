// A thread starts a thread of Node.

import { Worker } from 'node:worker_threads'

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array): void => {
      const worker = new Worker('', { eval: true, workerData: cells })
      worker.unref()
    },
  ],
}
