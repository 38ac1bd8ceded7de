import assert from 'node:assert/strict'
import pLimit from 'p-limit'

const limit = pLimit(1)
const seen = []
const task = async (n) => {
  await Promise.resolve()
  seen.push(n)
}
await Promise.all([1, 2, 3].map((n) => limit(() => task(n))))
assert.deepEqual(seen, [1, 2, 3])
