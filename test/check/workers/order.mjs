import { Worker } from 'node:worker_threads'
const log = []
const worker = new Worker(new URL('./order-worker.mjs', import.meta.url), {
  workerData: { base: 10 },
  name: 'adder',
  argv: ['x'],
  env: { A: 'b' },
})
worker.on('online', () => log.push('online'))
worker.on('message', (m) => {
  log.push(m)
  if (m.sum !== undefined) worker.postMessage('stop')
})
worker.on('error', (e) => log.push(['error', e.message]))
worker.on('exit', (code) => {
  log.push(['exit', code])
  report(log)
})
worker.postMessage(1)
worker.postMessage(2)
