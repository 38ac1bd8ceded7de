const assert = require('node:assert/strict')
const path = require('node:path')
const { WorkerPool } = require('@rushstack/worker-pool')

const run = async () => {
  const workerScriptPath = path.join(__dirname, 'rushstack-worker-pool-worker.cjs')
  const pool = new WorkerPool({ id: 'pool', maxWorkers: 1, workerScriptPath })
  const worker = await pool.checkoutWorkerAsync(true)
  const answer = await new Promise((resolve) => {
    worker.once('message', resolve)
    worker.postMessage(1)
  })
  assert.equal(answer, 2)
  pool.checkinWorker(worker)
  await pool.finishAsync()
}

run()
