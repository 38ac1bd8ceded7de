import { workerData, parentPort } from 'node:worker_threads'
const { port, cells } = workerData
parentPort.on('message', async (m) => {
  port.postMessage(await Promise.resolve(m * 2))
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
})
