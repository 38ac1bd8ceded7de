import assert from 'node:assert/strict'
import { createSyncFn } from 'synckit'

const add = createSyncFn(new URL('synckit-worker.mjs', import.meta.url))
assert.equal(add(1, 2), 3)
