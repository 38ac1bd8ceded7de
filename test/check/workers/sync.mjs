import { Worker, MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
const { port1, port2 } = new MessageChannel()
const cells = new Int32Array(new SharedArrayBuffer(4))
const worker = new Worker(new URL('./sync-worker.mjs', import.meta.url), {
  workerData: { port: port2, cells },
  transferList: [port2],
})
worker.unref()
worker.postMessage(4)
Atomics.wait(cells, 0, 0)
report(receiveMessageOnPort(port1))
