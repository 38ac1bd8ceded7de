import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import workerpool from 'workerpool'

const file = fileURLToPath(new URL('workerpool-worker.mjs', import.meta.url))
const pool = workerpool.pool(file, { maxWorkers: 1, workerType: 'thread' })
assert.equal(await pool.exec('add', [1, 2]), 3)
await pool.terminate()
