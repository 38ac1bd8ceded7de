import assert from 'node:assert/strict'
import { RateLimiter } from 'limiter'

const limiter = new RateLimiter({ tokensPerInterval: 1, interval: 250 })
const seen = []
await Promise.all(
  ['first', 'second'].map(async (message) => {
    await limiter.removeTokens(1)
    seen.push(message)
  }),
)
assert.deepEqual(seen, ['first', 'second'])
