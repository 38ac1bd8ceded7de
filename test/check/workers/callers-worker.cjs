const { parentPort } = require('node:worker_threads')
const { callers } = require('./callers-lib.cjs')
const [[file, line]] = callers()
parentPort.postMessage([require('node:path').basename(file), line])
