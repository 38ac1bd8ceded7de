import assert from 'node:assert/strict'
import WorkTank from 'worktank'

const pool = new WorkTank({
  pool: { name: 'example', size: 1 },
  worker: { methods: { sum: (a, b) => a + b } },
})
assert.equal(await pool.exec('sum', [10, 20]), 30)
pool.terminate()
