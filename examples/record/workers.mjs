// A worker for each of 120 requests, or four that are kept: node workers.mjs each|pool
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

const REQUESTS = 120
const AT_ONCE = 4

if (isMainThread) {
  const isPool = process.argv[2] === 'pool'
  let left = REQUESTS
  for (let lane = 0; lane < AT_ONCE; lane++) {
    let worker
    const next = () => {
      if (worker !== undefined && (!isPool || left === 0)) worker.terminate()
      if (left === 0) return
      left--
      if (worker === undefined || !isPool) worker = new Worker(new URL(import.meta.url)).on('message', next)
      worker.postMessage('request')
    }
    next()
  }
} else {
  parentPort.on('message', () => {
    let sum = 0
    for (let i = 0; i < 1e6; i++) sum += i % 7
    parentPort.postMessage(sum)
  })
}
