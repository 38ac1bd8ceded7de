const assert = require('node:assert/strict')
const { workerize } = require('isoworker')

let number = 0
const count = () => number++
const asyncCount = workerize(count, () => [number])
asyncCount((error, result) => {
  assert.equal(result, 0)
  asyncCount.close()
})
