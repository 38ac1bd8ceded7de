import assert from 'node:assert/strict'
import async from 'async'

const seen = []
const queue = async.queue(async (n) => {
  await new Promise((resolve) => setTimeout(resolve, 1))
  seen.push(n)
}, 1)
queue.push([1, 2])
await queue.drain()
assert.deepEqual(seen, [1, 2])
const results = await async.parallelLimit([(done) => setTimeout(done, 2, null, 'a'), async () => 'b'], 2)
assert.deepEqual(results, ['a', 'b'])
