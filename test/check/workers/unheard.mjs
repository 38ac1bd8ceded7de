// Starts three Workers, or one and another that keeps no process, and listens to none.
import { Worker } from 'node:worker_threads'

const cells = new Int32Array(new SharedArrayBuffer(8))
const start = (id) =>
  new Worker(new URL('./unheard-worker.mjs', import.meta.url), { workerData: { cells, id } })
const isLeft = globalThis.kindOfEnd === 'left'
for (let id = 0; id < (isLeft ? 1 : 3); id++) start(id)
if (isLeft) start(3).unref()
process.on('exit', () => report(cells[1]))
