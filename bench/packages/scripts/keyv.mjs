import assert from 'node:assert/strict'
import Keyv from 'keyv'

const store = new Keyv()
await Promise.all([store.set('a', 1), store.set('b', 2)])
assert.deepEqual(await Promise.all([store.get('a'), store.get('b'), store.get('c')]), [1, 2, undefined])
await store.delete('a')
assert.equal(await store.has('a'), false)
