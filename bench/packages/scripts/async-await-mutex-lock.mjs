import assert from 'node:assert/strict'
import { Lock } from 'async-await-mutex-lock'

const lock = new Lock()
const inside = { a: 0, b: 0 }
const work = async (key) => {
  await lock.acquire(key)
  try {
    assert.equal(++inside[key], 1)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside[key]--
  } finally {
    lock.release(key)
  }
}
await Promise.all([work('a'), work('a'), work('b')])
assert.equal(lock.isAcquired('a'), false)
