const assert = require('node:assert/strict')
const { StaticPool } = require('node-worker-threads-pool')

const pool = new StaticPool({ size: 1, task: (n) => n + 1 })
pool.exec(1).then((result) => {
  assert.equal(result, 2)
  return pool.destroy()
})
