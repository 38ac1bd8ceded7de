import assert from 'node:assert/strict'
import makeSynchronous from 'make-synchronous'

const next = makeSynchronous(async (n) => n + 1)
assert.equal(next(1), 2)
assert.equal(next(2), 3)
