import assert from 'node:assert/strict'
import AsyncLock from 'async-lock'

const lock = new AsyncLock({ timeout: 1000 })
let inside = 0
let done = 0
const enter = async () => {
  assert.equal(++inside, 1)
  await new Promise((resolve) => setTimeout(resolve, 1))
  inside--
  done++
}
await Promise.allSettled(['a', 'a', 'a'].map((key) => lock.acquire(key, enter)))
assert.equal(inside, 0)
assert.ok(done >= 1)
