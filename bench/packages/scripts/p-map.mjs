import assert from 'node:assert/strict'
import pMap, { pMapIterable } from 'p-map'

let inside = 0
const double = async (n) => {
  assert.ok(++inside <= 2)
  await new Promise((resolve) => setTimeout(resolve, n))
  inside--
  return n * 2
}
assert.deepEqual(await pMap([3, 1, 2], double, { concurrency: 2 }), [6, 2, 4])
const seen = []
for await (const each of pMapIterable([2, 1], double, { concurrency: 2 })) seen.push(each)
assert.deepEqual(seen, [4, 2])
