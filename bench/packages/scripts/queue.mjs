import assert from 'node:assert/strict'
import Queue from 'queue'

const queue = new Queue({ concurrency: 2, results: [] })
let inside = 0
for (const n of [1, 2, 3])
  queue.push(async () => {
    assert.ok(++inside <= 2)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside--
    return n
  })
await new Promise((resolve, reject) => queue.start((error) => (error ? reject(error) : resolve())))
assert.deepEqual(queue.results, [[1], [2], [3]])
