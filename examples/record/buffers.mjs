// Four workers answer 2,000 tasks with a new buffer of 1 MiB each: node buffers.mjs
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

if (isMainThread) {
  let left = 2000
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(new URL(import.meta.url))
    const next = () => (left-- > 0 ? worker.postMessage(i) : worker.terminate())
    worker.on('message', next)
    next()
  }
} else {
  parentPort.on('message', (value) => {
    const { buffer } = new Uint8Array(2 ** 20).fill(value + 1)
    parentPort.postMessage(buffer, [buffer])
  })
}
