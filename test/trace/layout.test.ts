import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Layout, PAGE_SIZE, RangeSet, type Mapping } from '../../src/trace/layout.ts'

const PAGES = 40

type Change =
  | { kind: 'map'; first: number; pages: number; protection: number; file: number; filePage: number }
  | { kind: 'unmap'; first: number; pages: number }
  | { kind: 'protect'; first: number; pages: number; protection: number }

const range = { first: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 12 }) }
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant('map' as const),
    ...range,
    protection: fc.nat(2),
    file: fc.nat(1),
    filePage: fc.nat(3),
  }),
  fc.record({ kind: fc.constant('unmap' as const), ...range }),
  fc.record({ kind: fc.constant('protect' as const), ...range, protection: fc.nat(2) }),
)

/** What each page is, the slow way. */
type Page = { protection: number; file: number; filePage: number } | undefined

test('a layout is what changes of single pages make it, merged as far as possible', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.nat(PAGES - 1), (changes, probe) => {
      const layout = new Layout()
      const pages: Page[] = Array.from({ length: PAGES + 12 }, () => undefined)
      for (const one of changes) {
        const start = one.first * PAGE_SIZE
        const end = start + one.pages * PAGE_SIZE
        for (let page = one.first; page < one.first + one.pages; page++) {
          if (one.kind === 'unmap') pages[page] = undefined
          else if (one.kind === 'map') {
            const filePage = one.file === 0 ? 0 : one.filePage + page - one.first
            pages[page] = { protection: one.protection, file: one.file, filePage }
          } else if (pages[page] !== undefined) pages[page] = { ...pages[page]!, protection: one.protection }
        }
        if (one.kind === 'unmap') layout.unmap(start, end)
        else if (one.kind === 'protect') layout.protect(start, end, one.protection)
        else {
          const offset = one.file === 0 ? 0 : one.filePage * PAGE_SIZE
          layout.map({
            start,
            end,
            protection: one.protection,
            shared: false,
            file: one.file,
            offset,
            growsDown: false,
          })
        }
      }
      const seen: Page[] = Array.from({ length: pages.length }, () => undefined)
      let previous: Mapping | undefined
      for (const mapping of layout.mappings) {
        assert.ok(mapping.start < mapping.end)
        if (previous !== undefined) {
          assert.ok(previous.end <= mapping.start)
          const continues =
            previous.file === 0 || previous.offset + previous.end - previous.start === mapping.offset
          const same =
            previous.protection === mapping.protection && previous.file === mapping.file && continues
          assert.ok(previous.end < mapping.start || !same, 'neighbours that could be one are one')
        }
        previous = mapping
        for (let at = mapping.start; at < mapping.end; at += PAGE_SIZE) {
          const filePage = mapping.file === 0 ? 0 : (mapping.offset + at - mapping.start) / PAGE_SIZE
          seen[at / PAGE_SIZE] = { protection: mapping.protection, file: mapping.file, filePage }
        }
      }
      assert.deepEqual(seen, pages)
      const found = layout.find(probe * PAGE_SIZE + 5)
      assert.equal(found?.protection, pages[probe]?.protection)
      const holes = layout
        .holes(0, PAGES * PAGE_SIZE)
        .reduce((sum, [start, end]) => sum + (end - start) / PAGE_SIZE, 0)
      assert.equal(holes, pages.slice(0, PAGES).filter((page) => page === undefined).length)
    }),
    { numRuns: 500 },
  )
})

test('a copy does not follow the original', () => {
  const layout = new Layout()
  layout.map({
    start: 0x1000,
    end: 0x5000,
    protection: 3,
    shared: false,
    file: 0,
    offset: 0,
    growsDown: false,
  })
  const copy = layout.forked()
  layout.unmap(0x2000, 0x3000)
  assert.equal(copy.mappings.length, 1)
  assert.equal(layout.mappings.length, 2)
})

test('a stack grows to an address below it, but not next to another mapping', () => {
  const layout = new Layout()
  const stack = {
    start: 0x7ffc00000000,
    end: 0x7ffc00021000,
    protection: 3,
    shared: false,
    file: 0,
    offset: 0,
    growsDown: true,
  }
  layout.map(stack)
  assert.equal(layout.findGrowing(0x7ffbffff0000)?.end, stack.end)
  assert.equal(layout.findGrowing(0x1000), undefined)
  layout.map({ ...stack, start: 0x7ffbffe00000, end: 0x7ffbffe01000, growsDown: false })
  assert.equal(layout.findGrowing(0x7ffbffe01000), undefined)
  assert.equal(layout.findGrowing(0x7ffbfffff000)?.end, stack.end)
})

test('a set of ranges is the union of what was added', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 9 })), { maxLength: 30 }),
      (added) => {
        const set = new RangeSet()
        const numbers = new Set<number>()
        for (const [start, length] of added) {
          set.add(start, start + length)
          for (let i = 0; i < length; i++) numbers.add(start + i)
        }
        const seen: number[] = []
        let last = -1
        for (const [start, end] of set.ranges()) {
          assert.ok(start > last, 'ranges are apart and in order')
          last = end
          for (let i = start; i < end; i++) seen.push(i)
        }
        assert.deepEqual(
          seen,
          [...numbers].toSorted((a, b) => a - b),
        )
      },
    ),
  )
})
