import { parentPort, workerData } from 'node:worker_threads'

process.on('exit', (code) => parentPort.postMessage(['exiting', code]))
switch (workerData) {
  case 'exit':
    try {
      process.exit(3)
    } finally {
      parentPort.postMessage('never')
    }
  case 'throw':
    throw Object.assign(new RangeError('thrown'), { code: 'E' })
  case 'reject':
    setImmediate(() => Promise.reject(new Error('rejected')))
    break
  case 'code':
    process.exitCode = 4
    break
  case 'caught':
    process.on('uncaughtException', ({ message }) => parentPort.postMessage(message))
    throw new Error('caught')
}
