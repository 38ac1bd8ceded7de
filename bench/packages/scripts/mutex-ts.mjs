import assert from 'node:assert/strict'
import { Mutex } from 'mutex-ts'

const mutex = new Mutex()
let count = 0
const increment = async () => {
  const release = await mutex.obtain()
  const before = count
  await Promise.resolve()
  count = before + 1
  release()
}
await Promise.all([increment(), increment()])
assert.equal(count, 2)
