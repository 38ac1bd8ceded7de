// The main thread of a process, which hears from a Worker.
import { Worker } from 'node:worker_threads'
import { expected } from './message.mjs'

const worker = new Worker(new URL('./other-thread.mjs', import.meta.url))
worker.on('message', (message) => {
  if (message !== expected) throw new Error(`it is ${message}`)
})
