import assert from 'node:assert/strict'
import { newQueue } from '@henrygd/queue'
import { getSemaphore } from '@henrygd/semaphore'

const queue = newQueue(2)
const semaphore = getSemaphore('key', 1)
let inside = 0
let holders = 0
const task = (n) => async () => {
  assert.ok(++inside <= 2)
  await semaphore.acquire()
  assert.equal(++holders, 1)
  await new Promise((resolve) => setTimeout(resolve, 1))
  holders--
  semaphore.release()
  inside--
  return n
}
const results = [1, 2, 3].map((n) => queue.add(task(n)))
await queue.done()
assert.deepEqual(await Promise.all(results), [1, 2, 3])
