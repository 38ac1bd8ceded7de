import assert from 'node:assert/strict'
import { Queue } from '@chalker/queue'

const queue = new Queue(2)
let inside = 0
let done = 0
const work = async () => {
  await queue.claim()
  assert.ok(++inside <= 2)
  await new Promise((resolve) => setTimeout(resolve, 1))
  inside--
  done++
  queue.release()
}
await Promise.all([work(), work(), work()])
assert.equal(done, 3)
