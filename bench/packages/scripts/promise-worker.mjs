import assert from 'node:assert/strict'
import PromiseWorker from 'promise-worker'
import Worker from 'web-worker'

const worker = new Worker(new URL('promise-worker-worker.mjs', import.meta.url), { type: 'module' })
const asking = new PromiseWorker(worker)
assert.equal(await asking.postMessage('ping'), 'pong of ping')
worker.terminate()
