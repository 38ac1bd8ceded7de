const assert = require('node:assert/strict')
const { Pool } = require('tarn')

let open = 0
const pool = new Pool({
  create: async () => ({ id: ++open }),
  destroy: async () => void open--,
  min: 0,
  max: 1,
  acquireTimeoutMillis: 100,
})
const run = async () => {
  const first = await pool.acquire().promise
  const second = pool.acquire()
  pool.release(first)
  pool.release(await second.promise)
  await pool.destroy()
  assert.equal(open, 0)
}

run()
