import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CHUNK_WORDS, OpStore, readChunks, type WordStream } from '../../src/trace/op-store.ts'
import { temporaryDirectory } from './trace-text.ts'

function contents(stream: WordStream): number[] {
  const all: number[] = []
  for (const { words, length } of readChunks(stream.handle()))
    for (let i = 0; i < length; i++) all.push(words[i]!)
  return all
}

for (const [where, limit] of [
  ['in memory', 2 ** 30],
  ['in a temporary file', 0],
  ['partly in each', CHUNK_WORDS * 4],
] as const) {
  test(`what was written is read, also what was changed later: ${where}`, () => {
    const store = new OpStore('trace', limit)
    const stream = store.createStream()
    const expected: number[] = []
    const positions: number[] = []
    for (let record = 0; expected.length < 3 * CHUNK_WORDS; record++) {
      const size = 4 + (record % 9)
      const at = stream.reserve(size)
      positions.push(stream.position(at))
      for (let i = 0; i < size; i++) {
        stream.words[at + i] = record * 10 + i
        expected.push(record * 10 + i)
      }
    }
    assert.equal(stream.length, expected.length)
    for (let i = 0; i < positions.length; i += 101) {
      stream.set(positions[i]!, -i)
      expected[positions[i]!] = -i
    }
    const read = contents(stream)
    assert.equal(read.length, expected.length)
    assert.ok(read.every((word, i) => word === expected[i]))
    assert.equal(store.spooled, limit < 3 * CHUNK_WORDS * 4)
    store.close()
  })
}

test('several sequences share one file, and a record never straddles two chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 60 }), (sizes) => {
      const store = new OpStore('trace', 0)
      const streams = [store.createStream(), store.createStream()]
      const expected: number[][] = [[], []]
      for (const [number, size] of sizes.entries()) {
        const stream = streams[number % 2]!
        const at = stream.reserve(size)
        assert.ok(at + size <= stream.words.length)
        for (let i = 0; i < size; i++) {
          stream.words[at + i] = number
          expected[number % 2]!.push(number)
        }
      }
      assert.deepEqual(streams.map(contents), expected)
      store.close()
    }),
    { numRuns: 30 },
  )
})

test('the temporary file has no name while it is open', { skip: process.platform === 'win32' }, () => {
  const directory = temporaryDirectory()
  const store = new OpStore('trace', 0, directory)
  const stream = store.createStream()
  stream.reserve(10)
  stream.seal()
  assert.equal(store.spooled, true)
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.endsWith('.spool')),
    [],
  )
  store.close()
})
