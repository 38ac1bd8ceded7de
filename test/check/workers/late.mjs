// Listens only after it has been in its event loop: what came before may be lost.
import { Worker } from 'node:worker_threads'

const heard = []
report(heard)
const worker = new Worker(new URL('./late-worker.mjs', import.meta.url))
setImmediate(() => {
  heard.push(worker.threadId > 0)
  worker.on('message', (value) => heard.push(value))
  worker.on('exit', () => heard.push('exit'))
})
