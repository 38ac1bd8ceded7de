import assert from 'node:assert/strict'
import { AsyncMutex } from '@esfx/async-mutex'
import { AsyncQueue } from '@esfx/async-queue'
import { AsyncSemaphore } from '@esfx/async-semaphore'

const mutex = new AsyncMutex()
const semaphore = new AsyncSemaphore(2)
const queue = new AsyncQueue()
let counter = 0
let inside = 0
const work = async () => {
  const lock = await mutex.lock()
  try {
    const current = counter
    await new Promise((resolve) => setTimeout(resolve, 1))
    counter = current + 1
  } finally {
    lock.unlock()
  }
  await semaphore.wait()
  assert.ok(++inside <= 2)
  await Promise.resolve()
  inside--
  semaphore.release()
  queue.put(counter)
}
await Promise.all([work(), work(), work(), queue.get(), queue.get(), queue.get()])
assert.equal(counter, 3)
assert.equal(queue.size, 0)
