import assert from 'node:assert/strict'
import Worker from 'web-worker'

const worker = new Worker(new URL('web-worker-worker.mjs', import.meta.url), { type: 'module' })
worker.addEventListener('message', ({ data }) => {
  assert.equal(data, 2)
  worker.terminate()
})
worker.postMessage(1)
