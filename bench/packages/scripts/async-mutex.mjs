import assert from 'node:assert/strict'
import { Mutex, Semaphore } from 'async-mutex'

const mutex = new Mutex()
let count = 0
const increment = async () => {
  const before = count
  await new Promise((resolve) => setTimeout(resolve, 1))
  count = before + 1
}
await Promise.all([1, 2, 3].map(() => mutex.runExclusive(increment)))
assert.equal(count, 3)

const semaphore = new Semaphore(2)
let inside = 0
await Promise.all(
  [1, 2, 3].map(() =>
    semaphore.runExclusive(async () => {
      assert.ok(++inside <= 2)
      await Promise.resolve()
      inside--
    }),
  ),
)
