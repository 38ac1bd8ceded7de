import assert from 'node:assert/strict'
import { createCache } from 'async-cache-dedupe'

const cache = createCache({ ttl: 5, storage: { type: 'memory' } })
let asked = 0
cache.define('fetchSomething', async (key) => {
  asked++
  await new Promise((resolve) => setTimeout(resolve, 1))
  return { key }
})
const [one, other] = await Promise.all([cache.fetchSomething(42), cache.fetchSomething(42)])
assert.deepEqual([one, other, asked], [{ key: 42 }, { key: 42 }, 1])
