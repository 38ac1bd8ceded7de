// Starts three Workers and listens to none.
import { Worker } from 'node:worker_threads'

const cells = new Int32Array(new SharedArrayBuffer(8))
const start = (id) =>
  new Worker(new URL('./unheard-worker.mjs', import.meta.url), { workerData: { cells, id } })
for (let id = 0; id < 3; id++) start(id)
process.on('exit', () => report(cells[1]))
