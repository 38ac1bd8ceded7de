import assert from 'node:assert/strict'
import Bottleneck from 'bottleneck'

const limiter = new Bottleneck({ maxConcurrent: 1 })
let inside = 0
const task = async (n) => {
  assert.equal(++inside, 1)
  await Promise.resolve()
  inside--
  return n
}
assert.deepEqual(await Promise.all([limiter.schedule(task, 1), limiter.schedule(task, 2)]), [1, 2])
