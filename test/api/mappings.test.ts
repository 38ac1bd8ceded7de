// Mappings: where they are placed, how they replace each other, and how they split and merge by Linux's rules.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressSpace, Protection } from '../../src/memory.ts'
import { ARENA, at, failsWith, faults, mapAt, PAGE, shape, withSpace } from './support.ts'

describe('mmap', () => {
  test('gives zeroed, aligned, writable memory by default', () => {
    withSpace((space) => {
      const address = space.mmap(3 * PAGE)
      assert.equal(address % PAGE, 0)
      assert.ok(address >= 0x10000)
      assert.deepEqual(space.read(address, 3 * PAGE), new Uint8Array(3 * PAGE))
      space.writeUint32(address + 2 * PAGE + 8, 0xdeadbeef)
      assert.equal(space.readUint32(address + 2 * PAGE + 8), 0xdeadbeef)
    })
  })

  test('rounds the length up to whole pages, and accesses end with the last of them', () => {
    withSpace((space) => {
      mapAt(space, 0, 1)
      space.munmap(at(0), PAGE)
      space.mmap(PAGE + 1, { address: ARENA, fixed: true })
      assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
      space.writeUint8(at(1, PAGE - 1), 7)
      faults('SEGV_MAPERR', at(2), 'w', () => space.writeUint8(at(2), 7))
    })
  })

  test('refuses no length, an offset or a fixed address off the page, and what ends beyond the address space', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: PAGE })
      failsWith('EINVAL', () => space.mmap(0))
      failsWith('EINVAL', () => space.mmap(PAGE, { file, offset: 512 }))
      failsWith('EINVAL', () => space.mmap(PAGE, { address: ARENA + 1, fixed: true }))
      failsWith('ENOMEM', () => space.mmap(2 ** 44))
      failsWith('ENOMEM', () => space.mmap(16 * PAGE, { address: 2 ** 43 - PAGE, fixed: true }))
      assert.deepEqual(space.maps(), [])
      file.close()
    })
  })

  test('two mappings never overlap, however many there are', () => {
    withSpace((space) => {
      const taken = new Set<number>()
      for (let count = 0; count < 200; count++) {
        const pages = 1 + (count % 5)
        const address = space.mmap(pages * PAGE, { protection: count % 2 === 0 ? 'rw' : 'r' })
        for (let page = 0; page < pages; page++) {
          assert.ok(!taken.has(address + page * PAGE))
          taken.add(address + page * PAGE)
        }
      }
    })
  })

  test('honours a hint that is free, rounds it down to its page, and goes elsewhere when it is taken', () => {
    withSpace((space) => {
      assert.equal(space.mmap(PAGE, { address: ARENA }), ARENA)
      assert.equal(space.mmap(PAGE, { address: ARENA + 2 * PAGE + 100 }), ARENA + 2 * PAGE)
      const elsewhere = space.mmap(2 * PAGE, { address: ARENA + PAGE })
      assert.notEqual(elsewhere, ARENA + PAGE)
      assert.equal(space.maps().length, 3)
    })
  })

  test('raises a hint below the lowest address that it may choose', () => {
    withSpace((space) => {
      assert.equal(space.mmap(PAGE, { address: 0x2000 }), 0x10000)
    })
  })

  test('uses the hole that is left when everything around is taken, and a fixed mapping changes only its own range', () => {
    withSpace((space) => {
      mapAt(space, 0, 6)
      for (let page = 0; page < 6; page++) space.writeUint8(at(page), page + 1)
      mapAt(space, 2, 2, { protection: 'r' })
      assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 r', '4-6 rw'])
      assert.deepEqual(
        [0, 1, 2, 3, 4, 5].map((page) => space.readUint8(at(page))),
        [1, 2, 0, 0, 5, 6],
      )
    })
  })

  test('fixed over several mappings and holes replaces them all', () => {
    withSpace((space) => {
      mapAt(space, 0, 2, { protection: 'r' })
      mapAt(space, 3, 2, { protection: 'rx' })
      mapAt(space, 6, 2, { protection: 'none' })
      mapAt(space, 1, 6)
      assert.deepEqual(shape(space, ARENA), ['0-1 r', '1-7 rw', '7-8 none'])
    })
  })

  test('noreplace takes what is free and refuses the rest, whole or in part', () => {
    withSpace((space) => {
      const noreplace = (page: number, pages: number) => mapAt(space, page, pages, { fixed: 'noreplace' })
      assert.equal(noreplace(2, 2), at(2))
      space.writeUint8(at(2), 5)
      for (const [page, pages] of [
        [2, 2],
        [2, 1],
        [1, 2],
        [3, 2],
        [0, 6],
      ] as const) {
        failsWith('EEXIST', () => noreplace(page, pages))
      }
      assert.equal(space.readUint8(at(2)), 5)
      assert.equal(noreplace(1, 1), at(1))
      assert.equal(noreplace(4, 1), at(4))
    })
  })

  test('populate brings pages in at once, and no access faults afterwards', () => {
    withSpace((space) => {
      const address = space.mmap(4 * PAGE, { populate: true })
      assert.deepEqual(space.residentPages(address, 4 * PAGE), [true, true, true, true])
      assert.equal(space.rss.anonymous, 4)
      assert.equal(space.touch(address + PAGE, 'w'), 0)
      const readOnly = space.mmap(2 * PAGE, { populate: true, protection: 'r' })
      assert.deepEqual(space.residentPages(readOnly, 2 * PAGE), [true, true])
      assert.equal(space.rss.anonymous, 4)
    })
  })
})

describe('munmap', () => {
  test('refuses an address off the page, no length and what ends beyond the address space; a hole is no error', () => {
    withSpace((space) => {
      failsWith('EINVAL', () => space.munmap(ARENA + 1, PAGE))
      failsWith('EINVAL', () => space.munmap(ARENA, 0))
      failsWith('EINVAL', () => space.munmap(ARENA, 2 ** 44))
      space.munmap(ARENA, 8 * PAGE)
      assert.deepEqual(space.maps(), [])
    })
  })

  for (const [what, page, pages, left] of [
    ['the head', 0, 2, ['2-8 rw']],
    ['the tail', 6, 2, ['0-6 rw']],
    ['the middle', 3, 2, ['0-3 rw', '5-8 rw']],
    ['all', 0, 8, []],
    ['more than all', -2, 12, []],
  ] as [string, number, number, string[]][]) {
    test(`takes ${what} and leaves the rest with its contents`, () => {
      withSpace((space) => {
        mapAt(space, 0, 8)
        for (let index = 0; index < 8; index++) space.writeUint32(at(index, 16), index + 100)
        space.munmap(at(page), pages * PAGE)
        assert.deepEqual(shape(space, ARENA), left)
        for (let index = 0; index < 8; index++) {
          if (index >= page && index < page + pages) {
            faults('SEGV_MAPERR', at(index, 16), 'r', () => space.readUint32(at(index, 16)))
          } else assert.equal(space.readUint32(at(index, 16)), index + 100)
        }
        assert.equal(space.rss.anonymous, left.length === 0 ? 0 : 8 - pages)
      })
    })
  }

  test('spans several mappings, splitting the first and the last', () => {
    withSpace((space) => {
      mapAt(space, 0, 4)
      mapAt(space, 4, 2, { protection: 'r' })
      mapAt(space, 7, 4, { protection: 'rx' })
      space.munmap(at(2), 7 * PAGE)
      assert.deepEqual(shape(space, ARENA), ['0-2 rw', '9-11 rx'])
    })
  })

  test('memory mapped again at the same place is new', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      space.fill(at(0), 2 * PAGE, 0xaa)
      space.munmap(at(0), 2 * PAGE)
      mapAt(space, 0, 2)
      assert.deepEqual(space.read(at(0), 2 * PAGE), new Uint8Array(2 * PAGE))
    })
  })
})

describe('merging', () => {
  /** Maps parts one after another and says what mappings result. */
  const parts = (space: AddressSpace, list: [page: number, pages: number, protection: Protection][]) => {
    for (const [page, pages, protection] of list) mapAt(space, page, pages, { protection })
    return shape(space, ARENA)
  }

  test('a mapping joins an equal one before it, after it, or both', () => {
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [0, 2, 'rw'],
          [2, 2, 'rw'],
        ]),
        ['0-4 rw'],
      )
    })
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [2, 2, 'rw'],
          [0, 2, 'rw'],
        ]),
        ['0-4 rw'],
      )
    })
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [0, 2, 'rw'],
          [4, 2, 'rw'],
          [2, 2, 'rw'],
        ]),
        ['0-6 rw'],
      )
    })
  })

  test('a mapping of other protection stays apart, and joins one side only where only one is equal', () => {
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [0, 2, 'rw'],
          [4, 2, 'r'],
          [2, 2, 'r'],
        ]),
        ['0-2 rw', '2-6 r'],
      )
    })
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [0, 2, 'rw'],
          [4, 2, 'r'],
          [2, 2, 'rw'],
        ]),
        ['0-4 rw', '4-6 r'],
      )
    })
    withSpace((space) => {
      assert.deepEqual(
        parts(space, [
          [0, 2, 'rw'],
          [4, 2, 'rw'],
          [2, 2, 'none'],
        ]),
        ['0-2 rw', '2-4 none', '4-6 rw'],
      )
    })
  })

  test('memory joins a faulted neighbour on one side, and keeps its contents', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      space.writeUint32(at(1), 77)
      mapAt(space, 2, 2)
      assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
      assert.equal(space.readUint32(at(1)), 77)
      space.writeUint32(at(3), 78)
      assert.equal(space.readUint32(at(3)), 78)
    })
  })

  test('two neighbours written apart stay two when they become equal neighbours; contents survive whatever is mapped between', () => {
    withSpace((space) => {
      mapAt(space, 0, 2)
      mapAt(space, 4, 2)
      space.writeUint32(at(0), 1)
      space.writeUint32(at(4), 2)
      mapAt(space, 2, 2)
      assert.equal(
        space.maps().reduce((pages, { start, end }) => pages + (end - start) / PAGE, 0),
        6,
      )
      assert.equal(space.readUint32(at(0)), 1)
      assert.equal(space.readUint32(at(4)), 2)
    })
  })

  test('mprotect splits a mapping at its start, at its end and in its middle, and joins it again', () => {
    for (const [page, pages, split] of [
      [0, 2, ['0-2 r', '2-6 rw']],
      [4, 2, ['0-4 rw', '4-6 r']],
      [2, 2, ['0-2 rw', '2-4 r', '4-6 rw']],
      [0, 6, ['0-6 r']],
    ] as [number, number, string[]][]) {
      withSpace((space) => {
        mapAt(space, 0, 6)
        for (let index = 0; index < 6; index++) space.writeUint8(at(index), index + 1)
        space.mprotect(at(page), pages * PAGE, 'r')
        assert.deepEqual(shape(space, ARENA), split)
        space.mprotect(at(page), pages * PAGE, 'rw')
        assert.deepEqual(shape(space, ARENA), ['0-6 rw'])
        assert.deepEqual(
          [0, 1, 2, 3, 4, 5].map((index) => space.readUint8(at(index))),
          [1, 2, 3, 4, 5, 6],
        )
      })
    }
  })

  test('mprotect that moves a boundary lets one neighbour grow into the other', () => {
    withSpace((space) => {
      mapAt(space, 0, 6)
      space.writeUint8(at(0), 1)
      space.mprotect(at(0), 3 * PAGE, 'r')
      space.mprotect(at(3), PAGE, 'r')
      assert.deepEqual(shape(space, ARENA), ['0-4 r', '4-6 rw'])
      space.mprotect(at(2), 2 * PAGE, 'rw')
      assert.deepEqual(shape(space, ARENA), ['0-2 r', '2-6 rw'])
    })
  })

  test('a file mapping joins only what continues the same file at the right offset', () => {
    withSpace((space, machine) => {
      const file = machine.createFile({ size: 16 * PAGE })
      const other = machine.createFile({ size: 16 * PAGE })
      const map = (page: number, which: typeof file, filePage: number, shared = true) =>
        mapAt(space, page, 1, { file: which, offset: filePage * PAGE, shared, protection: 'r' })
      const offsets = () =>
        space
          .maps()
          .map(({ start, end, offset }) => [(start - ARENA) / PAGE, (end - ARENA) / PAGE, offset / PAGE])
      map(0, file, 3)
      map(1, file, 4)
      assert.deepEqual(offsets(), [[0, 2, 3]])
      map(2, file, 6)
      assert.deepEqual(offsets(), [
        [0, 2, 3],
        [2, 3, 6],
      ])
      map(3, other, 7)
      assert.deepEqual(offsets(), [
        [0, 2, 3],
        [2, 3, 6],
        [3, 4, 7],
      ])
      map(4, other, 8, false)
      assert.deepEqual(offsets(), [
        [0, 2, 3],
        [2, 3, 6],
        [3, 4, 7],
        [4, 5, 8],
      ])
      map(2, file, 5)
      assert.deepEqual(offsets(), [
        [0, 3, 3],
        [3, 4, 7],
        [4, 5, 8],
      ])
      const [first, , third] = space.maps()
      assert.notEqual(first!.file, 0)
      assert.notEqual(first!.file, space.maps()[1]!.file)
      assert.equal(third!.file, space.maps()[1]!.file)
      space.munmap(at(0), 5 * PAGE)
      file.close()
      other.close()
    })
  })

  test('a split file mapping keeps each part at its offset', () => {
    withSpace((space, machine) => {
      const contents = new Uint8Array(8 * PAGE)
      for (let page = 0; page < 8; page++) contents.fill(page + 1, page * PAGE, (page + 1) * PAGE)
      const file = machine.createFile({ size: 8 * PAGE, contents })
      mapAt(space, 0, 8, { file, shared: true })
      space.munmap(at(2), PAGE)
      space.mprotect(at(5), PAGE, 'r')
      assert.deepEqual(
        space
          .maps()
          .map(({ start, end, offset, protection }) => [
            (start - ARENA) / PAGE,
            (end - ARENA) / PAGE,
            offset / PAGE,
            protection,
          ]),
        [
          [0, 2, 0, 'rw'],
          [3, 5, 3, 'rw'],
          [5, 6, 5, 'r'],
          [6, 8, 6, 'rw'],
        ],
      )
      for (const page of [0, 1, 3, 4, 5, 6, 7]) assert.equal(space.readUint8(at(page)), page + 1)
      space.munmap(at(0), 8 * PAGE)
      file.close()
    })
  })

  test('shared anonymous mappings never join: each has an object of its own', () => {
    withSpace((space) => {
      mapAt(space, 0, 1, { shared: true })
      mapAt(space, 1, 1, { shared: true })
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 rw'])
    })
  })

  test('advice that changes a mapping splits it, and the advice that undoes it joins it again', () => {
    for (const [advice, undo] of [
      ['random', 'normal'],
      ['sequential', 'normal'],
      ['dontfork', 'dofork'],
      ['dontdump', 'dodump'],
      ['wipeonfork', 'keeponfork'],
    ] as const) {
      withSpace((space) => {
        mapAt(space, 0, 6)
        space.madvise(at(2), 2 * PAGE, advice)
        assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 rw', '4-6 rw'], advice)
        space.madvise(at(2), 2 * PAGE, undo)
        assert.deepEqual(shape(space, ARENA), ['0-6 rw'], undo)
      })
    }
  })
})

describe('the limit on mappings', () => {
  // Protections in turn keep neighbours apart.
  const fillUp = (space: AddressSpace, count: number) => {
    for (let index = 0; index < count; index++)
      mapAt(space, 2 * index, 2, { protection: index % 2 === 0 ? 'rw' : 'r' })
  }

  test('mmap fails with ENOMEM once it is exceeded, and unmapping makes room', () => {
    withSpace(
      (space) => {
        // Linux refuses a new mapping only when there are already more than the limit.
        fillUp(space, 11)
        assert.equal(space.maps().length, 11)
        failsWith('ENOMEM', () => mapAt(space, 40, 1))
        assert.equal(space.maps().length, 11)
        space.munmap(at(0), 2 * PAGE)
        mapAt(space, 40, 1)
      },
      { maxMapCount: 10 },
    )
  })

  test('brk fails once it is exceeded, also where the heap would only get longer', () => {
    withSpace(
      (space) => {
        const start = space.brk(0)
        space.brk(start + PAGE)
        fillUp(space, 10)
        assert.equal(space.maps().length, 11)
        assert.equal(space.brk(start + 2 * PAGE), start + PAGE)
        assert.equal(space.brk(start + PAGE + 5), start + PAGE)
        space.munmap(at(0), 2 * PAGE)
        assert.equal(space.brk(start + 2 * PAGE), start + 2 * PAGE)
      },
      { maxMapCount: 10 },
    )
  })

  test('munmap, mprotect, mlock and madvise that would have to split fail at the limit and change nothing', () => {
    withSpace(
      (space) => {
        for (let index = 0; index < 10; index++) mapAt(space, 4 * index, 3, { protection: 'rw' })
        space.writeUint8(at(1), 9)
        failsWith('ENOMEM', () => space.munmap(at(1), PAGE))
        failsWith('ENOMEM', () => space.mprotect(at(1), PAGE, 'r'))
        failsWith('ENOMEM', () => space.mlock(at(1), PAGE))
        failsWith('EAGAIN', () => space.madvise(at(1), PAGE, 'dontfork'))
        assert.equal(space.maps().length, 10)
        assert.equal(space.readUint8(at(1)), 9)
        // What needs no split still works.
        space.munmap(at(0), PAGE)
        space.mprotect(at(4), 3 * PAGE, 'r')
        space.munmap(at(8), 3 * PAGE)
        space.munmap(at(13), PAGE)
        assert.equal(space.maps().length, 10)
      },
      { maxMapCount: 10 },
    )
  })
})
