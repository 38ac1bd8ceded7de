import assert from 'node:assert/strict'
import AwaitLock from 'await-lock'

const lock = new (AwaitLock.default ?? AwaitLock)()
let count = 0
const increment = async () => {
  await lock.acquireAsync()
  try {
    const before = count
    await Promise.resolve()
    count = before + 1
  } finally {
    lock.release()
  }
}
await Promise.all([increment(), increment()])
assert.equal(count, 2)
