import { parentPort, workerData, isMainThread, threadName } from 'node:worker_threads'
import { next } from './counter.mjs'
parentPort.postMessage({
  isMainThread,
  name: threadName,
  argv: process.argv.slice(2),
  env: { ...process.env },
  next: next(),
})
let sum = workerData.base
let seen = 0
parentPort.on('message', (m) => {
  if (m === 'stop') return parentPort.close()
  sum += m
  if (++seen === 2) parentPort.postMessage({ sum, next: next() })
})
