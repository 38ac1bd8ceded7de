import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { MACHINE_ADDRESSES, Relocation, RelocationError } from '../../src/trace/relocation.ts'
import { RangeSet } from '../../src/trace/layout.ts'

const PAGE = 4096
const GIGABYTE = 2 ** 30
const TWO_MEBIBYTES = 2 ** 21
const TERABYTE = 2 ** 40

const page = fc.integer({ min: 16, max: 2 ** 35 - 2 ** 20 })
/** Mappings as programs have them: clusters of neighbours, far apart from each other. */
const mappings = fc
  .array(
    fc.tuple(
      page,
      fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 3000 })), { minLength: 1, maxLength: 5 }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((clusters) => {
    const all: [number, number][] = []
    for (const [base, parts] of clusters) {
      let at = base
      for (const [gap, length] of parts) {
        at += gap
        all.push([at * PAGE, (at + length) * PAGE])
        at += length
      }
    }
    return all
  })

function extentsOf(ranges: readonly [number, number][]): [number, number][] {
  const set = new RangeSet()
  for (const [start, end] of ranges) set.add(start, end)
  return [...set.ranges()]
}

const none = (): never => assert.fail('the points are not needed when everything fits')

describe('programs that fit', () => {
  test('position in the gigabyte, order and neighbourhood are kept; no two addresses become one', () => {
    fc.assert(
      fc.property(mappings, (ranges) => {
        const extents = extentsOf(ranges)
        const relocation = Relocation.create(extents, none)
        let last = -1
        for (const [start, end] of extents) {
          const to = relocation.address(start)
          assert.equal(to % GIGABYTE, start % GIGABYTE)
          assert.ok(to > last, 'in order, and what was apart stays apart')
          assert.equal(relocation.end(end), to + (end - start), 'a range stays whole')
          const middle = start + Math.floor((end - start) / 2 / PAGE) * PAGE
          assert.equal(relocation.address(middle) - to, middle - start)
          assert.ok(relocation.end(end) < MACHINE_ADDRESSES)
          last = relocation.end(end)
        }
        // Mappings that touched each other still do.
        for (const [start, end] of ranges) {
          const next = ranges.find(([other]) => other === end)
          if (next !== undefined) assert.equal(relocation.end(end), relocation.address(next[0]))
          assert.equal(relocation.address(end - 1) - relocation.address(start), end - 1 - start)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('the lowest gigabyte stays where it is', () => {
    const relocation = Relocation.create(
      [
        [0x400000, 0x401000],
        [0x7fff00000000, 0x7fff00001000],
      ],
      none,
    )
    assert.equal(relocation.address(0x400123), 0x400123)
  })

  test('an unmap that reaches beyond everything mapped is cut to it', () => {
    const relocation = Relocation.create(
      [
        [5 * GIGABYTE, 6 * GIGABYTE],
        [90 * GIGABYTE, 91 * GIGABYTE],
      ],
      none,
    )
    assert.equal(relocation.address(20 * GIGABYTE), relocation.address(90 * GIGABYTE))
    assert.equal(relocation.end(30 * GIGABYTE), relocation.end(6 * GIGABYTE))
  })
})

describe('programs that do not fit', () => {
  test('many gigabytes with little in each: units of 2 MiB', () => {
    const extents = Array.from({ length: 20_000 }, (_, i): [number, number] => [
      (i + 1) * 5 * GIGABYTE,
      (i + 1) * 5 * GIGABYTE + PAGE,
    ])
    const relocation = Relocation.create(extents, function* () {
      for (const [start] of extents) yield start
    })
    let last = -1
    for (const [start] of extents) {
      const to = relocation.address(start)
      assert.equal(to % TWO_MEBIBYTES, 0)
      assert.ok(to > last && to < MACHINE_ADDRESSES)
      last = to
    }
  })

  test('of a reservation beyond everything the unused inside is left out, what is used in it stays', () => {
    const start = TERABYTE
    const end = 21 * TERABYTE
    const used = [
      start,
      start + 5 * TERABYTE + 123 * PAGE,
      start + 5 * TERABYTE + 124 * PAGE,
      start + 19 * TERABYTE,
      end - 1,
    ]
    const relocation = Relocation.create(
      [
        [start, end],
        [100 * TERABYTE, 100 * TERABYTE + PAGE],
      ],
      () => used,
    )
    const from = relocation.address(start)
    const to = relocation.end(end)
    assert.ok(to > from && to < MACHINE_ADDRESSES)
    const places = used.map((address) => relocation.address(address))
    assert.ok(places.every((place, i) => place >= from && place < to && (i === 0 || place > places[i - 1]!)))
    assert.ok(places.every((place, i) => place % GIGABYTE === used[i]! % GIGABYTE))
    assert.equal(places[2]! - places[1]!, PAGE)
    assert.ok(relocation.address(100 * TERABYTE) > to)
  })

  test('too much is an error', () => {
    const extents: [number, number][] = [[0, TERABYTE]]
    const create = (addresses: number): Relocation =>
      Relocation.create(
        extents,
        function* () {
          for (let at = 0; at < TERABYTE; at += TWO_MEBIBYTES * 8) yield at
        },
        addresses,
      )
    // An eighth of it is named.
    assert.throws(() => create(TERABYTE / 9), RelocationError)
    assert.equal(create(TERABYTE / 4).address(TERABYTE - TWO_MEBIBYTES * 8) % TWO_MEBIBYTES, 0)
  })
})
