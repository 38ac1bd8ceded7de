import assert from 'node:assert/strict'
import pDebounce from 'p-debounce'

const asked = []
const search = pDebounce(async (text) => {
  asked.push(text)
  return text.toUpperCase()
}, 200)
assert.deepEqual(await Promise.all([search('a'), search('ab'), search('abc')]), ['ABC', 'ABC', 'ABC'])
assert.deepEqual(asked, ['abc'])
