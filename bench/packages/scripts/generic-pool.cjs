const assert = require('node:assert/strict')
const { createPool } = require('generic-pool')

let open = 0
const pool = createPool(
  {
    create: async () => ({ id: ++open }),
    destroy: async () => void open--,
  },
  { min: 0, max: 1 },
)
let used = 0
const use = () =>
  pool.use(async () => {
    assert.equal(++used, 1)
    await Promise.resolve()
    used--
  })
const run = async () => {
  await Promise.all([use(), use()])
  await pool.drain()
  await pool.clear()
  assert.equal(open, 0)
}

run()
