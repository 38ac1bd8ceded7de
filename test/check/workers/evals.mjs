import { Worker, setEnvironmentData } from 'node:worker_threads'
setEnvironmentData('k', { v: 1 })
const worker = new Worker(
  `
const { parentPort, getEnvironmentData, setEnvironmentData } = require('worker_threads')
setEnvironmentData('k', 2)
const { join } = require('path')
parentPort.postMessage([getEnvironmentData('k'), typeof module, join('a', 'b')])
import('node:os').then(({ EOL }) => parentPort.postMessage(EOL))
`,
  { eval: true },
)
const log = []
worker
  .on('message', (m) => log.push(m))
  .on('exit', (c) => {
    log.push(c)
    report(log)
  })
