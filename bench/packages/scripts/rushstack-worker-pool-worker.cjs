const { parentPort } = require('node:worker_threads')

parentPort.on('message', (n) => {
  if (n === false) parentPort.close()
  else parentPort.postMessage(n + 1)
})
