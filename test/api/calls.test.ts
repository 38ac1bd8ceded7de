// mprotect, madvise, mremap, brk, stacks and residence, as Linux defines them.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ADDRESS_LIMIT, type AddressSpace } from '../../src/memory.ts'
import {
  ARENA,
  at,
  busError,
  configurations,
  failsWith,
  faults,
  mapAt,
  PAGE,
  shape,
  withSpace,
} from './support.ts'

const GUARD_GAP = 256

describe('mprotect', () => {
  test('refuses an address off the page, accepts no length, and wants every page mapped', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      failsWith('EINVAL', () => space.mprotect(ARENA + 1, PAGE, 'r'))
      space.mprotect(ARENA, 0, 'none')
      space.mprotect(at(40), 0, 'none')
      failsWith('ENOMEM', () => space.mprotect(at(40), PAGE, 'r'))
      assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
    })
  })

  test('changes what comes before a hole and then says ENOMEM; a range that begins in a hole changes nothing', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      mapAt(space, 3, 2)
      failsWith('ENOMEM', () => space.mprotect(at(1), 3 * PAGE, 'r'))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '3-5 rw'])
      failsWith('ENOMEM', () => space.mprotect(at(2), 3 * PAGE, 'r'))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '3-5 rw'])
    })
  })

  test('rounds a length up to whole pages', () => {
    withSpace((space) => {
      mapAt(space, 0, 4)
      space.mprotect(at(1), PAGE + 1, 'r')
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-3 r', '3-4 rw'])
    })
  })

  test('spans mappings of different protection and leaves one', () => {
    withSpace((space) => {
      mapAt(space, 0, 2, { protection: 'r' })
      mapAt(space, 2, 2, { protection: 'none' })
      mapAt(space, 4, 2, { protection: 'rx' })
      space.mprotect(at(0), 6 * PAGE, 'rw')
      for (let page = 0; page < 6; page++) space.writeUint8(at(page), page)
      assert.deepEqual([...new Set(space.maps().map(({ protection }) => protection))], ['rw'])
    })
  })

  test('a page of a private file that was copied stays the copy through every change of protection', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE, contents: new Uint8Array(PAGE).fill(9) })
      mapAt(space, 0, 1, { file })
      space.writeUint8(at(0), 1)
      space.mprotect(at(0), PAGE, 'r')
      file.write(0, Uint8Array.of(7, 7))
      assert.deepEqual([...space.read(at(0), 2)], [1, 9])
      space.mprotect(at(0), PAGE, 'rw')
      space.writeUint8(at(0), 2)
      assert.deepEqual([...space.read(at(0), 2)], [2, 9])
      space.munmap(at(0), PAGE)
      file.close()
    })
  })
})

describe('madvise', () => {
  test('refuses an address off the page and advice there is not; accepts no length', () => {
    withSpace((space) => {
      mapAt(space, 0, 1)
      failsWith('EINVAL', () => space.madvise(ARENA + 1, PAGE, 'normal'))
      space.madvise(ARENA, 0, 'dontneed')
    })
  })

  test('applies to all that is mapped and then says ENOMEM for the holes', () => {
    withSpace((space) => {
      mapAt(space, 1, 1)
      mapAt(space, 3, 1)
      space.writeUint8(at(1), 1)
      space.writeUint8(at(3), 3)
      failsWith('ENOMEM', () => space.madvise(at(0), 5 * PAGE, 'dontneed'))
      assert.equal(space.readUint8(at(1)), 0)
      assert.equal(space.readUint8(at(3)), 0)
    })
  })

  test('dontneed gives frames back and works without any protection', () => {
    withSpace((space, machine) => {
      mapAt(space, 0, 32)
      space.fill(at(0), 32 * PAGE, 1)
      assert.equal(space.rss.anonymous, 32)
      const before = machine.usage().framesFree
      space.mprotect(at(0), 32 * PAGE, 'none')
      space.madvise(at(0), 31 * PAGE, 'dontneed')
      assert.equal(space.rss.anonymous, 1)
      assert.equal(machine.usage().framesFree, before + 31)
      space.mprotect(at(0), 32 * PAGE, 'r')
      assert.equal(space.readUint8(at(30)), 0)
      assert.equal(space.readUint8(at(31)), 1)
    })
  })

  test('free leaves each page as it was or zero, and a later write is kept', () => {
    withSpace((space, machine) => {
      mapAt(space, 0, 4)
      space.fill(at(0), 4 * PAGE, 5)
      space.madvise(at(0), 4 * PAGE, 'free')
      space.writeUint8(at(1, 7), 9)
      for (let page = 0; page < 4; page++) {
        const value = space.readUint8(at(page, 100))
        assert.ok(value === 5 || value === 0, String(value))
      }
      assert.equal(space.readUint8(at(1, 7)), 9)
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 8, 1, { file })
      failsWith('EINVAL', () => space.madvise(at(8), PAGE, 'free'))
      mapAt(space, 9, 1, { shared: true })
      failsWith('EINVAL', () => space.madvise(at(9), PAGE, 'free'))
      space.munmap(at(8), 2 * PAGE)
      file.close()
    })
  })

  test('wipe on fork is for private anonymous memory only', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 0, 1)
      mapAt(space, 1, 1, { shared: true })
      mapAt(space, 2, 1, { file })
      space.madvise(at(0), PAGE, 'wipeonfork')
      failsWith('EINVAL', () => space.madvise(at(1), PAGE, 'wipeonfork'))
      failsWith('EINVAL', () => space.madvise(at(2), PAGE, 'wipeonfork'))
      space.munmap(at(0), 3 * PAGE)
      file.close()
    })
  })

  test('populating: brings pages in, refuses what the protection forbids, and reports holes and the end of a file', () => {
    withSpace((space, machine) => {
      mapAt(space, 0, 4)
      space.madvise(at(0), 2 * PAGE, 'populate-read')
      assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [true, true, false, false])
      assert.equal(space.rss.anonymous, 0)
      space.madvise(at(1), 2 * PAGE, 'populate-write')
      assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [true, true, true, false])
      assert.equal(space.rss.anonymous, 2)
      space.mprotect(at(3), PAGE, 'r')
      failsWith('EINVAL', () => space.madvise(at(3), PAGE, 'populate-write'))
      space.mprotect(at(3), PAGE, 'none')
      failsWith('EINVAL', () => space.madvise(at(3), PAGE, 'populate-read'))
      failsWith('ENOMEM', () => space.madvise(at(4), PAGE, 'populate-read'))
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 8, 2, { file, shared: true })
      failsWith('EFAULT', () => space.madvise(at(8), 2 * PAGE, 'populate-read'))
      space.munmap(at(8), 2 * PAGE)
      file.close()
    })
  })
})

describe('mremap', () => {
  test('memory that was moved from the top and has grown is one mapping again after a part of it was apart', () => {
    withSpace(
      (space) => {
        const top = space.mmap(PAGE)
        space.writeUint8(top, 1)
        // Its place in its anon_vma passes 2^31 pages in the middle.
        const pages = 2 * Math.ceil((ADDRESS_LIMIT - top) / PAGE)
        const moved = space.mremap(top, PAGE, pages * PAGE, { mayMove: true })
        const late = moved + (pages - 5) * PAGE
        space.mprotect(late, PAGE, 'r')
        assert.equal(space.maps().length, 3)
        space.mprotect(late, PAGE, 'rw')
        assert.equal(space.maps().length, 1)
      },
      { overcommit: 'always' },
    )
  })

  test('does not let a mapping grow over the pages that a file can have', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE })
      const offset = (2 ** 31 - 17) * PAGE
      const mapped = space.mmap(4 * PAGE, { file, offset, shared: true })
      failsWith('EINVAL', () => space.mremap(mapped, 4 * PAGE, 17 * PAGE, { mayMove: true }))
      const grown = space.mremap(mapped, 4 * PAGE, 16 * PAGE, { mayMove: true })
      space.mprotect(grown + 15 * PAGE, PAGE, 'r')
      busError(grown + 15 * PAGE, () => space.readUint8(grown + 15 * PAGE))
      file.close()
    })
  })

  const pattern = (space: AddressSpace, page: number, pages: number) => {
    for (let index = 0; index < pages; index++) space.writeUint32(at(page + index, 20), 1000 + index)
  }
  const held = (space: AddressSpace, address: number, pages: number) =>
    Array.from({ length: pages }, (_, index) => space.readUint32(address + index * PAGE + 20))

  test('untouched memory that moves to between itself and an equal neighbour is one with both', () => {
    for (const { design } of configurations) {
      withSpace(
        (space) => {
          mapAt(space, 0, 1)
          mapAt(space, 2, 1)
          space.mremap(at(2), PAGE, PAGE, { mayMove: true, fixed: at(1) })
          assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
          pattern(space, 0, 2)
          assert.deepEqual(held(space, at(0), 2), [1000, 1001])
        },
        { design, config: { SLUB_DEBUG: true } },
      )
    }
  })

  test('shrinks in place', () => {
    withSpace((space) => {
      mapAt(space, 0, 6)
      pattern(space, 0, 6)
      assert.equal(space.mremap(at(0), 6 * PAGE, 2 * PAGE), at(0))
      assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
      assert.deepEqual(held(space, at(0), 2), [1000, 1001])
      assert.equal(space.rss.anonymous, 2)
    })
  })

  test('grows in place where there is room, and joins what it meets', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      pattern(space, 0, 2)
      assert.equal(space.mremap(at(0), 2 * PAGE, 4 * PAGE), at(0))
      assert.deepEqual(held(space, at(0), 4), [1000, 1001, 0, 0])
      assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
    })
  })

  test('says ENOMEM where there is no room and it may not move, and moves with its contents where it may', () => {
    withSpace((space) => {
      mapAt(space, 0, 4)
      pattern(space, 0, 4)
      mapAt(space, 4, 1, { protection: 'r' })
      failsWith('ENOMEM', () => space.mremap(at(0), 4 * PAGE, 6 * PAGE))
      const moved = space.mremap(at(0), 4 * PAGE, 6 * PAGE, { mayMove: true })
      assert.notEqual(moved, at(0))
      assert.deepEqual(held(space, moved, 6), [1000, 1001, 1002, 1003, 0, 0])
      faults('SEGV_MAPERR', at(0), 'r', () => space.readUint8(at(0)))
      assert.equal(space.rss.anonymous, 6 - 2)
    })
  })

  test('moves the middle of a mapping to a fixed place over what was there', () => {
    withSpace((space) => {
      mapAt(space, 0, 6)
      pattern(space, 0, 6)
      mapAt(space, 10, 4, { protection: 'rx' })
      assert.equal(space.mremap(at(2), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(11) }), at(11))
      assert.deepEqual(shape(space, ARENA), ['0-2 rw', '4-6 rw', '10-11 rx', '11-13 rw', '13-14 rx'])
      assert.deepEqual(held(space, at(11), 2), [1002, 1003])
      assert.deepEqual(held(space, at(4), 2), [1004, 1005])
    })
  })

  test('a page moved away and back over a boundary of page tables keeps its contents', () => {
    withSpace((space) => {
      // The arena begins four pages below a boundary.
      mapAt(space, 0, 8)
      pattern(space, 0, 8)
      for (let round = 0; round < 5; round++) {
        assert.equal(space.mremap(at(2), 4 * PAGE, 4 * PAGE, { mayMove: true, fixed: at(600) }), at(600))
        assert.deepEqual(held(space, at(600), 4), [1002, 1003, 1004, 1005])
        assert.equal(space.mremap(at(600), 4 * PAGE, 4 * PAGE, { mayMove: true, fixed: at(2) }), at(2))
        assert.deepEqual(held(space, at(0), 8), [1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007])
      }
    })
  })

  test('refuses what Linux refuses', () => {
    withSpace((space) => {
      mapAt(space, 0, 4)
      mapAt(space, 6, 2)
      failsWith('EINVAL', () => space.mremap(ARENA + 1, PAGE, PAGE))
      failsWith('EINVAL', () => space.mremap(ARENA, PAGE, 0))
      failsWith('EINVAL', () => space.mremap(ARENA, PAGE, PAGE, { fixed: at(20) }))
      failsWith('EINVAL', () => space.mremap(ARENA, PAGE, PAGE, { mayMove: true, fixed: at(20) + 1 }))
      failsWith('EINVAL', () => space.mremap(ARENA, 4 * PAGE, 4 * PAGE, { mayMove: true, fixed: at(2) }))
      failsWith('EINVAL', () => space.mremap(ARENA, 0, PAGE, { mayMove: true }))
      failsWith('EFAULT', () => space.mremap(at(5), PAGE, 2 * PAGE, { mayMove: true }))
      failsWith('EFAULT', () => space.mremap(at(0), 7 * PAGE, 9 * PAGE, { mayMove: true }))
      assert.deepEqual(shape(space, ARENA), ['0-4 rw', '6-8 rw'])
    })
  })

  test('no old length makes a second view of shared memory', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: 4 * PAGE })
      mapAt(space, 0, 4, { file, shared: true })
      const second = space.mremap(at(1), 0, 2 * PAGE, { mayMove: true })
      space.writeUint32(at(2, 4), 77)
      assert.equal(space.readUint32(second + PAGE + 4), 77)
      assert.equal(space.readUint32(at(2, 4)), 77)
      space.munmap(second, 2 * PAGE)
      space.munmap(at(0), 4 * PAGE)
      file.close()
    })
  })

  test('leaving the old range mapped moves the pages out of it', () => {
    withSpace((space) => {
      mapAt(space, 0, 3)
      pattern(space, 0, 3)
      const moved = space.mremap(at(0), 3 * PAGE, 3 * PAGE, { mayMove: true, dontUnmap: true })
      assert.deepEqual(held(space, moved, 3), [1000, 1001, 1002])
      assert.deepEqual(held(space, at(0), 3), [0, 0, 0])
      assert.equal(space.rss.anonymous, 3)
    })
  })

  test('a file mapping that is moved and then joined keeps each page at its offset', () => {
    withSpace((space, machine) => {
      const contents = new Uint8Array(6 * PAGE)
      for (let page = 0; page < 6; page++) contents.fill(page + 1, page * PAGE, (page + 1) * PAGE)
      const file = machine.createFile({ size: 6 * PAGE, contents })
      mapAt(space, 0, 6, { file, shared: true })
      // Out of the middle and back between its two neighbours.
      space.mremap(at(2), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(20) })
      space.mremap(at(20), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(2) })
      assert.deepEqual(
        space.maps().map(({ start, end, offset }) => [(start - ARENA) / PAGE, (end - ARENA) / PAGE, offset]),
        [[0, 6, 0]],
      )
      for (let page = 0; page < 6; page++) assert.equal(space.readUint8(at(page)), page + 1)
      assert.equal(space.mremap(at(0), 6 * PAGE, 7 * PAGE), at(0))
      busError(at(6), () => space.readUint8(at(6)))
      space.munmap(at(0), 8 * PAGE)
      file.close()
    })
  })
})

describe('brk', () => {
  test('moves the end of the heap byte by byte and its memory page by page', () => {
    withSpace((space) => {
      space.setBrk(ARENA)
      assert.equal(space.brk(), ARENA)
      assert.equal(space.brk(ARENA + 10), ARENA + 10)
      space.writeUint8(at(0, PAGE - 1), 1)
      faults('SEGV_MAPERR', at(1), 'w', () => space.writeUint8(at(1), 1))
      assert.equal(space.brk(ARENA + 3 * PAGE), ARENA + 3 * PAGE)
      space.writeUint8(at(2), 3)
      assert.deepEqual(shape(space, ARENA), ['0-3 rw'])
      assert.equal(space.brk(ARENA + 2 * PAGE + 1), ARENA + 2 * PAGE + 1)
      assert.equal(space.readUint8(at(2)), 3)
      assert.equal(space.brk(ARENA + 2 * PAGE), ARENA + 2 * PAGE)
      faults('SEGV_MAPERR', at(2), 'r', () => space.readUint8(at(2)))
      assert.equal(space.brk(ARENA + 3 * PAGE), ARENA + 3 * PAGE)
      assert.equal(space.readUint8(at(2)), 0)
      assert.equal(space.readUint8(at(0, PAGE - 1)), 1)
    })
  })

  test('stays where it is below the start of the heap, at a mapping above, and beyond the address space', () => {
    withSpace((space) => {
      space.setBrk(ARENA)
      assert.equal(space.brk(ARENA + PAGE), ARENA + PAGE)
      assert.equal(space.brk(ARENA - 1), ARENA + PAGE)
      mapAt(space, 4, 1)
      // One page is kept free above the heap.
      assert.equal(space.brk(at(4)), ARENA + PAGE)
      assert.equal(space.brk(at(3)), at(3))
      assert.equal(space.brk(2 ** 43 + PAGE), at(3))
    })
  })

  test('a protection inside the heap splits it, and the heap still grows and shrinks', () => {
    withSpace((space) => {
      space.setBrk(ARENA)
      space.brk(at(4))
      space.writeUint8(at(3), 8)
      space.mprotect(at(1), PAGE, 'r')
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '2-4 rw'])
      assert.equal(space.brk(at(6)), at(6))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '2-6 rw'])
      assert.equal(space.brk(ARENA), ARENA)
      assert.deepEqual(shape(space, ARENA), [])
    })
  })
})

describe('a mapping that grows down', () => {
  test('grows to the page of an access below it, and its pages are zero', () => {
    withSpace((space) => {
      mapAt(space, 1000, 2, { growsDown: true })
      space.writeUint32(at(900, 8), 5)
      assert.deepEqual(shape(space, ARENA), ['900-1002 rw'])
      assert.equal(space.maps()[0]!.growsDown, true)
      assert.equal(space.readUint32(at(899)), 0)
      assert.deepEqual(shape(space, ARENA), ['899-1002 rw'])
      assert.equal(space.readUint32(at(900, 8)), 5)
      assert.equal(space.readUint32(at(950)), 0)
    })
  })

  test('stops a guard gap above accessible memory, but not above memory without access', () => {
    withSpace((space) => {
      mapAt(space, 0, 1)
      mapAt(space, 1000, 1, { growsDown: true })
      space.writeUint8(at(1 + GUARD_GAP), 1)
      faults('SEGV_MAPERR', at(GUARD_GAP), 'w', () => space.writeUint8(at(GUARD_GAP), 1))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', `${1 + GUARD_GAP}-1001 rw`])
      space.mprotect(at(0), PAGE, 'none')
      space.writeUint8(at(1), 1)
      assert.deepEqual(shape(space, ARENA), ['0-1 none', '1-1001 rw'])
    })
  })

  test('grows down to the lowest page that a program may map', () => {
    withSpace((space) => {
      const lowest = 16 * PAGE
      space.mmap(PAGE, { address: 40 * PAGE, fixed: true, growsDown: true })
      space.writeUint8(lowest, 1)
      assert.deepEqual(shape(space, 0), ['16-41 rw'])
      faults('SEGV_MAPERR', lowest - PAGE, 'w', () => space.writeUint8(lowest - PAGE, 1))
    })
  })

  test('is limited in size', () => {
    withSpace(
      (space) => {
        mapAt(space, 1000, 2, { growsDown: true })
        space.writeUint8(at(1002 - 16), 1)
        faults('SEGV_MAPERR', at(1002 - 17), 'w', () => space.writeUint8(at(1002 - 17), 1))
      },
      { stackLimit: 16 * PAGE },
    )
  })

  test('keeps its guard gap free of mappings whose place the kernel chooses, hints included', () => {
    withSpace((space) => {
      mapAt(space, 1000, 2, { growsDown: true })
      assert.notEqual(space.mmap(PAGE, { address: at(1000 - GUARD_GAP) }), at(1000 - GUARD_GAP))
      assert.equal(space.mmap(PAGE, { address: at(999 - GUARD_GAP) }), at(999 - GUARD_GAP))
      // MAP_FIXED is the caller's own business.
      assert.equal(mapAt(space, 999, 1, { protection: 'r' }), at(999))
    })
  })

  test('grows before its protection is asked', () => {
    withSpace((space) => {
      mapAt(space, 1000, 2, { growsDown: true, protection: 'r' })
      faults('SEGV_ACCERR', at(990), 'w', () => space.writeUint8(at(990), 1))
      assert.equal(space.readUint8(at(990)), 0)
    })
  })

  test('is private and anonymous', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE })
      failsWith('EINVAL', () => space.mmap(PAGE, { growsDown: true, shared: true }))
      failsWith('EINVAL', () => space.mmap(PAGE, { growsDown: true, file }))
      file.close()
    })
  })

  test('memory below an ordinary mapping does not grow it', () => {
    withSpace((space) => {
      mapAt(space, 1000, 2)
      faults('SEGV_MAPERR', at(999), 'w', () => space.writeUint8(at(999), 1))
    })
  })
})

describe('residentPages', () => {
  test('says which pages have been brought in, and wants every page mapped', () => {
    withSpace((space) => {
      mapAt(space, 0, 5)
      space.writeUint8(at(1), 1)
      space.readUint8(at(3))
      assert.deepEqual(space.residentPages(at(0), 5 * PAGE), [false, true, false, true, false])
      space.madvise(at(1), PAGE, 'dontneed')
      assert.deepEqual(space.residentPages(at(1), PAGE), [false])
      failsWith('EINVAL', () => space.residentPages(at(0) + 1, PAGE))
      failsWith('ENOMEM', () => space.residentPages(at(4), 2 * PAGE))
    })
  })
})
