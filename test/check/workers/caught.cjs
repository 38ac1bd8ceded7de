// A program that catches, and tells, whatever a listener throws.
const { Worker } = require('node:worker_threads')
const worker = new Worker("require('node:worker_threads').parentPort.postMessage(1)", { eval: true })
worker.on('message', (value) => {
  try {
    report(value)
    new Worker('', { eval: true }).on('exit', () => report('over'))
  } catch (error) {
    report(error.message)
  }
})
