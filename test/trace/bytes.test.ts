// Texts in bytes are what Node's own functions make of them.

import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytesOf, fileName, joined, latin1, utf8 } from '../../src/trace/bytes.ts'

test('bytes and texts are those of Buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 50 }), (one, other) => {
      assert.equal(utf8(one), Buffer.from(one).toString())
      assert.equal(latin1(one), Buffer.from(one).toString('latin1'))
      assert.deepEqual(joined(one, other), new Uint8Array(Buffer.concat([one, other])))
    }),
  )
  assert.equal(utf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), Buffer.from([0xef, 0xbb, 0xbf, 0x61]).toString())
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.deepEqual(bytesOf(text), new Uint8Array(Buffer.from(text)))
    }),
  )
})

test('the name of a file is that of path.basename', () => {
  const part = fc.constantFrom('/', 'a', 'bin', '.', '..', '\n', 'c d')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      assert.equal(fileName(parts.join('')), posix.basename(parts.join('')))
    }),
  )
})
