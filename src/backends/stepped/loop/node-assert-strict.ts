// `node:assert/strict`, as node-assert.ts has it.

import native from 'node:assert/strict'

export const {
  AssertionError,
  deepEqual,
  deepStrictEqual,
  doesNotMatch,
  equal,
  fail,
  ifError,
  match,
  notDeepEqual,
  notDeepStrictEqual,
  notEqual,
  notStrictEqual,
  ok,
  partialDeepStrictEqual,
  strictEqual,
} = native
export { doesNotReject, doesNotThrow, rejects, throws, strict, strict as default } from './node-assert.ts'
