const assert = require('node:assert/strict')
const { Worker } = require('okie')

const worker = new Worker((n) => n + 1, { max: 1 })
worker.run(1).then((result) => {
  assert.equal(result, 2)
  worker.stop()
})
