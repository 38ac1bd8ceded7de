// mremap of ranges that cover whole page tables (2 MiB each), which move as they are; beside ranges that do not.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressSpace } from '../../src/memory.ts'
import { PAGE, configurations, faults, withSpace } from './support.ts'

/** What a page table covers. */
const TABLE = 512 * PAGE
const FROM = 0x200_0000_0000
const TO = 0x300_0000_0000
/** Pages of a range of three tables and a half that are written to: at the ends of tables, and in between. */
const touched = [0, 1, 511, 512, 700, 1023, 1024, 1535, 1536, 1700]
const LENGTH = 3.5 * TABLE

function fillRange(space: AddressSpace, address: number): void {
  space.mmap(LENGTH, { address, fixed: true })
  for (const page of touched) space.writeUint32(address + page * PAGE, page + 1)
}

function holdsAt(space: AddressSpace, address: number): void {
  const seen = touched.map((page) => space.readUint32(address + page * PAGE))
  assert.deepEqual(
    seen,
    touched.map((page) => page + 1),
  )
  assert.equal(space.readUint32(address + 300 * PAGE), 0)
}

for (const HAVE_MOVE_PMD of [true, false]) {
  for (const configuration of configurations) {
    describe(`mremap of page tables: ${configuration.design}, ${configuration.rwsem}, ${HAVE_MOVE_PMD}`, () => {
      const run = (body: (space: AddressSpace) => void): void =>
        withSpace(body, { ...configuration, config: { HAVE_MOVE_PMD, SLUB_DEBUG: true } })

      test('to a place that is aligned in the same way, in another, and back', () => {
        run((space) => {
          fillRange(space, FROM)
          for (const [from, to] of [
            [FROM, TO],
            [TO, TO + LENGTH + TABLE / 2 + PAGE],
            [TO + LENGTH + TABLE / 2 + PAGE, FROM],
          ] as const) {
            assert.equal(space.mremap(from, LENGTH, LENGTH, { mayMove: true, fixed: to }), to)
            holdsAt(space, to)
            faults('SEGV_MAPERR', from, 'r', () => space.readUint32(from))
          }
          assert.equal(space.rss.anonymous, touched.length)
        })
      })

      test('over what is there, and away from the middle of a mapping', () => {
        run((space) => {
          fillRange(space, FROM)
          fillRange(space, TO)
          space.mremap(FROM + TABLE, TABLE, TABLE, { mayMove: true, fixed: TO + TABLE })
          assert.equal(space.readUint32(TO + 512 * PAGE), 513)
          assert.equal(space.readUint32(TO + 700 * PAGE), 701)
          assert.equal(space.readUint32(TO + PAGE), 2)
          faults('SEGV_MAPERR', FROM + TABLE, 'r', () => space.readUint32(FROM + TABLE))
          assert.equal(space.readUint32(FROM + 1024 * PAGE), 1025)
          space.writeUint32(FROM, 99)
          assert.equal(space.readUint32(TO), 1)
        })
      })

      test('while the old mapping stays, empty', () => {
        run((space) => {
          fillRange(space, FROM)
          space.mremap(FROM, LENGTH, LENGTH, { mayMove: true, fixed: TO, dontUnmap: true })
          holdsAt(space, TO)
          for (const page of touched) assert.equal(space.readUint32(FROM + page * PAGE), 0)
          space.writeUint32(FROM, 5)
          assert.deepEqual([space.readUint32(FROM), space.readUint32(TO)], [5, 1])
        })
      })

      test('with pages that a child shares, and an observer', () => {
        run((space) => {
          fillRange(space, FROM)
          const child = space.fork()
          const notifier = space.registerNotifier()
          assert.equal(notifier.readUint32(FROM), 1)
          space.mremap(FROM, LENGTH, LENGTH, { mayMove: true, fixed: TO })
          faults('SEGV_MAPERR', FROM, 'r', () => notifier.readUint32(FROM))
          notifier.writeUint32(TO, 50)
          assert.deepEqual([space.readUint32(TO), child.readUint32(FROM)], [50, 1])
          child.destroy()
          notifier.unregister()
        })
      })
    })
  }
}
