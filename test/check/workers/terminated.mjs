import { Worker, isMainThread, workerData } from 'node:worker_threads'
if (isMainThread) {
  const cells = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), { workerData: cells })
  worker.on('exit', () => report(Atomics.load(cells, 0)))
  worker.terminate()
} else {
  // It may have come to its end before it is ended, and is explored so first.
  Atomics.add(workerData, 0, 1)
  Atomics.add(workerData, 0, 1)
}
