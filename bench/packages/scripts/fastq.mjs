import assert from 'node:assert/strict'
import fastq from 'fastq'

const queue = fastq.promise(async (n) => {
  await new Promise((resolve) => setTimeout(resolve, 3 - n))
  return n * 2
}, 1)
assert.deepEqual(await Promise.all([queue.push(1), queue.push(2)]), [2, 4])
await queue.drained()

const callbacks = fastq((n, done) => setImmediate(done, null, n + 1), 2)
callbacks.push(1, (error, result) => assert.equal(result, 2))
callbacks.drain = () => assert.ok(callbacks.idle())
