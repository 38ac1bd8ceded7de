import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { IntervalMap } from '../../src/trace/interval-map.ts'

function found(map: IntervalMap, first: number, behind: number): [number, number][] {
  const seen: [number, number][] = []
  map.visit(first, behind, (worker, operation) => seen.push([worker, operation]))
  return seen
}

test('it tells the last operation that covered each address', () => {
  const range = fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 60 }))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 400 }), range, (assigned, [probe, probeLength]) => {
      const map = new IntervalMap()
      const slow = new Map<number, number>()
      for (const [number, [first, length]] of assigned.entries()) {
        map.assign(first, first + length, number % 3, number)
        for (let at = first; at < first + length; at++) slow.set(at, number)
      }
      for (let at = probe; at < probe + 5; at++) {
        const number = slow.get(at)
        assert.deepEqual(found(map, at, at + 1), number === undefined ? [] : [[number % 3, number]])
      }
      const expected = new Set<number>()
      for (let at = probe; at < probe + probeLength; at++) if (slow.has(at)) expected.add(slow.get(at)!)
      assert.deepEqual(new Set(found(map, probe, probe + probeLength).map(([, number]) => number)), expected)
    }),
    { numRuns: 200 },
  )
})

test('many ranges', () => {
  const map = new IntervalMap()
  for (let i = 0; i < 20_000; i++) map.assign(i * 10, i * 10 + 5, 1, i)
  assert.equal(map.size, 20_000)
  assert.deepEqual(found(map, 99_990, 100_011), [
    [1, 9999],
    [1, 10_000],
    [1, 10_001],
  ])
  map.assign(0, 200_000, 2, 7)
  assert.equal(map.size, 1)
  assert.deepEqual(found(map, 5, 6), [[2, 7]])
})
