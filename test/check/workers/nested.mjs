import { Worker } from 'node:worker_threads'
const log = []
const worker = new Worker(new URL('./nested-worker.mjs', import.meta.url), { workerData: 2 })
worker.on('message', (m) => log.push(m))
worker.once('exit', () => report(log))
