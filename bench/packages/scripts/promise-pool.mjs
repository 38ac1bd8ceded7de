import assert from 'node:assert/strict'
import { PromisePool } from '@supercharge/promise-pool'

const { results, errors } = await PromisePool.withConcurrency(2)
  .for([1, 2, 3])
  .process(async (n) => {
    await new Promise((resolve) => setTimeout(resolve, n))
    if (n === 2) throw new Error('two')
    return n
  })
assert.deepEqual(results.toSorted(), [1, 3])
assert.equal(errors.length, 1)
