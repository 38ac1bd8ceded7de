// What a Worker puts in the place of a method of `console`, the main thread has not.
import { Worker, isMainThread, parentPort } from 'node:worker_threads'

if (isMainThread) {
  const { log } = console
  const worker = new Worker(new URL(import.meta.url))
  worker.on('message', (theirs) => report([theirs, console.log === log, typeof console.error]))
} else {
  console.log = () => parentPort.postMessage('logged')
  console.log('here')
}
