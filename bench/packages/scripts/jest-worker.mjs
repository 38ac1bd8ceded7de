import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { Worker } from 'jest-worker'

const file = fileURLToPath(new URL('jest-worker-task.cjs', import.meta.url))
const worker = new Worker(file, { enableWorkerThreads: true, numWorkers: 1, exposedMethods: ['add'] })
assert.equal(await worker.add(1, 2), 3)
await worker.end()
