import { Worker } from 'node:worker_threads'
const cells = new Int32Array(new SharedArrayBuffer(8))
const worker = new Worker(new URL('./terminate-worker.mjs', import.meta.url), { workerData: cells })
worker.on('exit', (code) => report([code, Atomics.load(cells, 1), worker.threadId]))
Atomics.wait(cells, 0, 0)
worker.terminate().then((code) => report(['terminated', code]))
