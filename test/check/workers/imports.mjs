import { Worker } from 'node:worker_threads'
const worker = new Worker(new URL('./imports-worker.cjs', import.meta.url))
worker.on('message', (m) => report(m))
