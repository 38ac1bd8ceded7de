import assert from 'node:assert/strict'
import { LRUCache } from 'lru-cache'

let fetched = 0
const cache = new LRUCache({
  max: 10,
  fetchMethod: async (key) => {
    fetched++
    await new Promise((resolve) => setTimeout(resolve, 1))
    return `value of ${key}`
  },
})
assert.deepEqual(await Promise.all([cache.fetch('a'), cache.fetch('a')]), ['value of a', 'value of a'])
assert.equal(fetched, 1)
