import assert from 'node:assert/strict'
import { Worker } from 'artichokie'

const worker = new Worker(() => async (n) => (await parent()) + n, {
  max: 1,
  parentFunctions: { parent: async () => 1 },
})
assert.equal(await worker.run(2), 3)
worker.stop()
