import { Worker, parentPort, workerData } from 'node:worker_threads'
if (workerData === 0) parentPort.postMessage('leaf')
else {
  const worker = new Worker(new URL(import.meta.url), { workerData: workerData - 1 })
  worker.on('message', (m) => parentPort.postMessage([m]))
}
