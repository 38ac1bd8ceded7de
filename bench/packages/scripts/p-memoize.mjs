import assert from 'node:assert/strict'
import pMemoize from 'p-memoize'

let asked = 0
const read = pMemoize(async (key) => {
  asked++
  await new Promise((resolve) => setTimeout(resolve, 1))
  return `${key} ${asked}`
})
assert.deepEqual(await Promise.all([read('a'), read('a')]), ['a 1', 'a 1'])
assert.equal(await read('a'), 'a 1')
