import assert from 'node:assert/strict'
import pThrottle from 'p-throttle'

const throttle = pThrottle({ limit: 1, interval: 10 })
const seen = []
const note = throttle(async (n) => {
  seen.push(n)
  return n
})
assert.deepEqual(await Promise.all([note(1), note(2)]), [1, 2])
assert.deepEqual(seen, [1, 2])
