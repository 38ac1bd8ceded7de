// A thread starts a Worker whose output it wants to read.

import { Worker } from 'node:worker_threads'

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array): void => {
      const worker = new Worker('', { eval: true, workerData: cells, stdout: true })
      worker.unref()
    },
  ],
}
