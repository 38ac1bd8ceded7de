import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { WorkerPool } from '@fideus-labs/worker-pool'

const task = (input) => (known) => {
  const worker = known ?? new Worker(new URL('./fideus-worker-pool-worker.mjs', import.meta.url))
  return new Promise((resolve) => {
    worker.once('message', (result) => resolve({ worker, result }))
    worker.postMessage(input)
  })
}
const pool = new WorkerPool(1)
pool.add(task(1))
pool.add(task(2))
assert.deepEqual(await pool.onIdle(), [2, 4])
pool.terminateWorkers()
