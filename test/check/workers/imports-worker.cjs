'use strict'
const { parentPort } = require('node:worker_threads')
const own = require('./imports-lib.cjs')
const name = './imports-lib.cjs'
async function main() {
  const esm = await import('./imports-esm.mjs')
  const again = await import('./imports-lib.cjs')
  const missing = await import('./not-there.mjs').catch((error) => error.code)
  parentPort.postMessage([
    own.count(),
    require(name).count(),
    esm.value,
    esm.default(),
    again.default.count(),
    again.count(),
    missing,
    esm.live(),
    esm.seen,
  ])
}
main()
