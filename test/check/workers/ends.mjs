import { Worker } from 'node:worker_threads'

const log = []
const worker = new Worker(new URL('ends-worker.mjs', import.meta.url), { workerData: kind() })
worker.on('message', (message) => log.push(message))
worker.on('error', ({ name, message, code }) => log.push([name, message, code]))
worker.on('exit', (code) => {
  log.push(code)
  report(log)
})

/** How the worker ends. */
function kind() {
  return globalThis.kindOfEnd ?? process.env.KIND_OF_END
}
