// What the Linux Test Project holds mmap, munmap, mprotect, mremap, madvise, brk and mincore to, said in our own words
// for what there is here. Each test names the behaviour and, in brackets, the programs of that project that ask for it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressSpace, Machine } from '../../src/memory.ts'
import {
  at,
  busError,
  configurations,
  failsWith,
  faults,
  mapAt,
  PAGE,
  shape,
  withSpace,
  ARENA,
} from './support.ts'

/** Every design with the plain lock, since each has its own way through these calls. */
const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')

function everywhere(name: string, body: (space: AddressSpace, machine: Machine) => void): void {
  test(name, () => {
    for (const configuration of designs) withSpace(body, configuration)
  })
}

describe('mmap', () => {
  everywhere('memory without any access refuses a read as well as a write [mmap05]', (space) => {
    mapAt(space, 0, 1, { protection: 'none' })
    faults('SEGV_ACCERR', at(0), 'r', () => space.readUint8(at(0)))
    faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint8(at(0), 1))
  })

  everywhere('no length, and an offset within a page, are refused [mmap06, mmap08]', (space, machine) => {
    const file = machine.createFile({ size: PAGE })
    failsWith('EINVAL', () => space.mmap(0, { file }))
    failsWith('EINVAL', () => space.mmap(0))
    failsWith('EINVAL', () => space.mmap(PAGE, { file, offset: 1 }))
    file.close()
    failsWith('EBADF', () => space.mmap(PAGE, { file }))
  })

  everywhere('populating brings every page in, so that no access faults [mmap12]', (space, machine) => {
    mapAt(space, 0, 16, { populate: true })
    assert.deepEqual(space.residentPages(at(0), 16 * PAGE), Array(16).fill(true))
    const before = machine.counters()['pgfault']
    for (let page = 0; page < 16; page++) space.writeUint8(at(page), page)
    assert.equal(machine.counters()['pgfault'], before)
  })

  everywhere('what would end beyond the address space has no room there [mmap15]', (space) => {
    failsWith('ENOMEM', () => space.mmap(2 * PAGE, { address: 2 ** 43 - 2 * PAGE, fixed: true }))
    assert.deepEqual(space.maps(), [])
  })

  everywhere(
    'noreplace is refused wherever one page of the range is taken, and changes nothing [mmap17]',
    (space) => {
      mapAt(space, 4, 2)
      space.writeUint8(at(4), 9)
      for (const [page, pages] of [
        [4, 2],
        [3, 2],
        [5, 2],
        [3, 4],
        [4, 1],
      ] as const) {
        failsWith('EEXIST', () => mapAt(space, page, pages, { fixed: 'noreplace' }))
      }
      mapAt(space, 6, 1, { fixed: 'noreplace', protection: 'r' })
      assert.equal(space.readUint8(at(4)), 9)
      assert.deepEqual(shape(space, ARENA), ['4-6 rw', '6-7 r'])
    },
  )

  everywhere(
    'a stack grows page by page to accesses below it, and not into what is near [mmap18]',
    (space) => {
      mapAt(space, 300, 2, { growsDown: true })
      for (const page of [299, 298, 290]) space.writeUint32(at(page, 8), page)
      assert.deepEqual(shape(space, ARENA), ['290-302 rw'])
      for (const page of [299, 298, 290]) assert.equal(space.readUint32(at(page, 8)), page)
      mapAt(space, 20, 1)
      space.writeUint8(at(277), 1)
      faults('SEGV_MAPERR', at(276), 'w', () => space.writeUint8(at(276), 1))
    },
  )

  everywhere('two mappings that change places show each other’s contents at once [mmap19]', (space) => {
    mapAt(space, 0, 1)
    mapAt(space, 2, 1)
    for (let round = 0; round < 20; round++) {
      space.writeUint32(at(0), round * 2)
      space.writeUint32(at(2), round * 2 + 1)
      space.mremap(at(0), PAGE, PAGE, { mayMove: true, fixed: at(4) })
      space.mremap(at(2), PAGE, PAGE, { mayMove: true, fixed: at(0) })
      space.mremap(at(4), PAGE, PAGE, { mayMove: true, fixed: at(2) })
      assert.deepEqual([space.readUint32(at(0)), space.readUint32(at(2))], [round * 2 + 1, round * 2])
    }
  })

  everywhere(
    'what is written behind the end of a file within its last page never gets into it [mmap01]',
    (space, machine) => {
      const file = machine.createFile({ size: 100, contents: new Uint8Array(100).fill(1) })
      mapAt(space, 0, 1, { file, shared: true })
      assert.deepEqual(space.read(at(0, 100), PAGE - 100), new Uint8Array(PAGE - 100))
      space.write(at(0, 90), new Uint8Array(20).fill(2))
      assert.equal(file.size, 100)
      assert.deepEqual(file.read(0, PAGE), Uint8Array.from([...Array(90).fill(1), ...Array(10).fill(2)]))
      file.close()
    },
  )

  everywhere(
    'a file is read through a mapping for reading and for executing, not written [mmap02, mmap03, mmap04]',
    (space, machine) => {
      const contents = Uint8Array.from({ length: PAGE }, (_, byte) => byte & 0xff)
      const file = machine.createFile({ size: PAGE, contents })
      for (const [page, protection] of (['r', 'rx', 'x'] as const).entries()) {
        mapAt(space, page, 1, { file, shared: true, protection })
        assert.deepEqual(space.read(at(page), PAGE), contents)
        faults('SEGV_ACCERR', at(page), 'w', () => space.writeUint8(at(page), 1))
        if (protection === 'r') faults('SEGV_ACCERR', at(page), 'x', () => space.touch(at(page), 'x'))
        else space.touch(at(page), 'x')
      }
      assert.deepEqual(
        space.maps().map((mapping) => [mapping.protection, mapping.shared, mapping.offset]),
        [
          ['r', true, 0],
          ['rx', true, 0],
          ['x', true, 0],
        ],
      )
      file.close()
    },
  )

  everywhere(
    'an access behind the last page of a file is a bus error, for every kind of mapping [mmap13]',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE + 1 })
      mapAt(space, 0, 4, { file, shared: true })
      mapAt(space, 4, 4, { file })
      for (const first of [0, 4]) {
        space.writeUint8(at(first + 1, PAGE - 1), 1)
        busError(at(first + 2), () => space.readUint8(at(first + 2)))
        busError(at(first + 3, 5), () => space.writeUint8(at(first + 3, 5), 1))
      }
      file.close()
    },
  )

  test('at the limit of mappings none can be put into the middle of another, but one in its place [mmap11]', () => {
    for (const configuration of designs) {
      withSpace(
        (space) => {
          mapAt(space, 0, 3)
          for (let page = 4; page < 15; page++)
            mapAt(space, page, 1, { protection: page % 2 === 0 ? 'r' : 'rw' })
          assert.equal(space.maps().length, 12)
          space.writeUint8(at(1), 5)
          failsWith('ENOMEM', () => mapAt(space, 1, 1, { protection: 'r' }))
          assert.equal(space.readUint8(at(1)), 5)
          mapAt(space, 0, 3, { protection: 'r' })
          assert.equal(space.maps().length, 12)
        },
        { ...configuration, maxMapCount: 12 },
      )
    }
  })

  everywhere(
    'what is written all over a mapping of a file is in the file if shared, and nowhere else if private [mmap21, mmapstress01]',
    (space, machine) => {
      const pages = 24
      const contents = new Uint8Array(pages * PAGE - 100).fill(1)
      for (const shared of [false, true]) {
        const file = machine.createFile({ size: contents.length, contents })
        mapAt(space, 0, pages, { file, shared })
        // A second view of the file, which no write goes through.
        mapAt(space, 100, pages, { file, shared: true, protection: 'r' })
        for (let byte = 0; byte < contents.length; byte += 1111) space.writeUint8(at(0, byte), byte & 0xff)
        for (let byte = 0; byte < contents.length; byte += 1111) {
          assert.equal(space.readUint8(at(0, byte)), byte & 0xff)
          assert.equal(space.readUint8(at(100, byte)), shared ? byte & 0xff : 1)
        }
        assert.equal(file.read(1110, 3).join(), shared ? `1,${1111 & 0xff},1` : '1,1,1')
        space.munmap(at(0), pages * PAGE)
        space.munmap(at(100), pages * PAGE)
        file.close()
      }
    },
  )

  everywhere(
    'a file that is mapped becomes shorter and longer: what was cut off is gone, what is new is zero [mmap09]',
    (space, machine) => {
      const size = 4 * PAGE
      const file = machine.createFile({ size, contents: new Uint8Array(size).fill(8) })
      mapAt(space, 0, 6, { file, shared: true })
      assert.equal(space.readUint8(at(3)), 8)
      file.truncate(PAGE + 10)
      assert.deepEqual(space.read(at(1, 8), 4), Uint8Array.of(8, 8, 0, 0))
      busError(at(2), () => space.readUint8(at(2)))
      file.truncate(6 * PAGE)
      assert.deepEqual(
        [space.readUint8(at(1, 9)), space.readUint8(at(1, 10)), space.readUint8(at(3))],
        [8, 0, 0],
      )
      space.writeUint8(at(5), 3)
      file.truncate(0)
      for (const page of [0, 5]) busError(at(page), () => space.writeUint8(at(page), 1))
      file.truncate(PAGE)
      assert.equal(space.readUint8(at(0)), 0)
      space.munmap(at(0), 6 * PAGE)
      file.close()
    },
  )
})

describe('munmap', () => {
  everywhere('memory that is gone is not there for any access [munmap01]', (space, machine) => {
    const file = machine.createFile({ size: 2 * PAGE })
    for (const options of [{}, { shared: true }, { file }, { file, shared: true }]) {
      mapAt(space, 0, 2, options)
      space.writeUint8(at(1), 1)
      space.munmap(at(0), 2 * PAGE)
      faults('SEGV_MAPERR', at(1), 'r', () => space.readUint8(at(1)))
      faults('SEGV_MAPERR', at(0), 'w', () => space.writeUint8(at(0), 1))
    }
    file.close()
  })

  everywhere(
    'an address within a page, no length and an end beyond all memory are refused [munmap03]',
    (space) => {
      mapAt(space, 0, 1)
      failsWith('EINVAL', () => space.munmap(at(0, 1), PAGE))
      failsWith('EINVAL', () => space.munmap(at(0), 0))
      failsWith('EINVAL', () => space.munmap(at(0), 2 ** 43))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw'])
    },
  )

  test('at the limit of mappings a hole cannot be made, but an end can be cut off [munmap04, max_map_count]', () => {
    for (const configuration of designs) {
      withSpace(
        (space) => {
          mapAt(space, 0, 4)
          for (let page = 5; page < 16; page += 1)
            mapAt(space, page, 1, { protection: page % 2 === 0 ? 'r' : 'rw' })
          assert.equal(space.maps().length, 12)
          failsWith('ENOMEM', () => space.munmap(at(1), PAGE))
          failsWith('ENOMEM', () => space.mprotect(at(1), PAGE, 'r'))
          space.munmap(at(3), PAGE)
          space.munmap(at(15), PAGE)
          space.munmap(at(1), PAGE)
          assert.equal(space.maps().length, 12)
        },
        { ...configuration, maxMapCount: 12 },
      )
    }
  })
})

describe('mprotect', () => {
  everywhere(
    'an address within a page is refused, and memory that is not there is missing [mprotect01]',
    (space) => {
      mapAt(space, 0, 1)
      failsWith('EINVAL', () => space.mprotect(at(0, 1), PAGE, 'r'))
      failsWith('ENOMEM', () => space.mprotect(at(5), PAGE, 'r'))
      failsWith('ENOMEM', () => space.mprotect(at(0), 2 * PAGE, 'r'))
    },
  )

  everywhere(
    'a write is refused while the page is read-only, and allowed again afterwards [mprotect02, mprotect03]',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE })
      for (const options of [{}, { file }, { file, shared: true }]) {
        mapAt(space, 0, 1, options)
        space.writeUint32(at(0), 7)
        space.mprotect(at(0), PAGE, 'r')
        faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint32(at(0), 8))
        assert.equal(space.readUint32(at(0)), 7)
        space.mprotect(at(0), PAGE, 'rw')
        space.writeUint32(at(0), 9)
        assert.equal(space.readUint32(at(0)), 9)
      }
      file.close()
    },
  )

  everywhere(
    'taken away altogether nothing is allowed; with execution given, instructions are fetched [mprotect04]',
    (space) => {
      mapAt(space, 0, 1)
      space.writeUint8(at(0), 0xc3)
      space.mprotect(at(0), PAGE, 'none')
      for (const access of ['r', 'w', 'x'] as const)
        faults('SEGV_ACCERR', at(0), access, () => space.touch(at(0), access))
      space.mprotect(at(0), PAGE, 'rx')
      space.touch(at(0), 'x')
      assert.equal(space.readUint8(at(0)), 0xc3)
    },
  )

  everywhere(
    'a mapping is split in three and becomes one again, and keeps what it held [mprotect05]',
    (space) => {
      mapAt(space, 0, 3)
      for (let page = 0; page < 3; page++) space.writeUint8(at(page), page + 1)
      space.mprotect(at(1), PAGE, 'r')
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '2-3 rw'])
      space.mprotect(at(1), PAGE, 'rw')
      assert.deepEqual(shape(space, ARENA), ['0-3 rw'])
      assert.deepEqual(
        [0, 1, 2].map((page) => space.readUint8(at(page))),
        [1, 2, 3],
      )
    },
  )
})

describe('mremap', () => {
  everywhere(
    'an old or new address within a page is refused, as are flags that contradict each other [mremap02, mremap05]',
    (space) => {
      mapAt(space, 0, 2)
      failsWith('EINVAL', () => space.mremap(at(0, 1), PAGE, 2 * PAGE, { mayMove: true }))
      failsWith('EINVAL', () => space.mremap(at(0), PAGE, PAGE, { mayMove: true, fixed: at(8, 1) }))
      failsWith('EINVAL', () => space.mremap(at(0), PAGE, PAGE, { fixed: at(8) }))
      failsWith('EINVAL', () => space.mremap(at(0), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(1) }))
      failsWith('EINVAL', () => space.mremap(at(0), PAGE, 2 * PAGE, { mayMove: true, dontUnmap: true }))
      assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
    },
  )

  everywhere('what is not mapped, or not all of it in one mapping, cannot be resized [mremap03]', (space) => {
    mapAt(space, 0, 1)
    mapAt(space, 1, 1, { protection: 'r' })
    failsWith('EFAULT', () => space.mremap(at(9), PAGE, 2 * PAGE, { mayMove: true }))
    failsWith('EFAULT', () => space.mremap(at(0), 2 * PAGE, 3 * PAGE, { mayMove: true }))
  })

  everywhere('without leave to move, what has no room to grow says so [mremap04]', (space) => {
    mapAt(space, 0, 1)
    mapAt(space, 1, 1, { protection: 'r' })
    failsWith('ENOMEM', () => space.mremap(at(0), PAGE, 2 * PAGE))
    assert.equal(space.mremap(at(1), PAGE, 2 * PAGE), at(1))
  })

  everywhere(
    'moved to a fixed place it replaces what was there and keeps its contents [mremap05]',
    (space) => {
      mapAt(space, 0, 2)
      mapAt(space, 8, 2, { protection: 'r' })
      space.writeUint8(at(1), 5)
      assert.equal(space.mremap(at(0), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(8) }), at(8))
      assert.equal(space.readUint8(at(9)), 5)
      assert.deepEqual(shape(space, ARENA), ['8-10 rw'])
      faults('SEGV_MAPERR', at(1), 'r', () => space.readUint8(at(1)))
    },
  )

  everywhere('a mapping of a file grows over more of it [mremap01]', (space, machine) => {
    const file = machine.createFile({ size: 4 * PAGE })
    file.write(3 * PAGE, Uint8Array.of(8))
    const start = mapAt(space, 0, 1, { file, shared: true })
    const grown = space.mremap(start, PAGE, 4 * PAGE, { mayMove: true })
    assert.equal(space.readUint8(grown + 3 * PAGE), 8)
    space.writeUint8(grown + 2 * PAGE, 6)
    assert.deepEqual(file.read(2 * PAGE, 1), Uint8Array.of(6))
    file.close()
  })

  everywhere(
    'pages moved between two neighbours of the same file keep their offsets when all three join [mremap06]',
    (space, machine) => {
      const file = machine.createFile({ size: 3 * PAGE })
      for (let page = 0; page < 3; page++) file.write(page * PAGE, Uint8Array.of(page + 1))
      mapAt(space, 0, 3, { file })
      space.mremap(at(1), PAGE, PAGE, { mayMove: true, fixed: at(8) })
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '2-3 rw', '8-9 rw'])
      space.mremap(at(8), PAGE, PAGE, { mayMove: true, fixed: at(1) })
      assert.deepEqual(shape(space, ARENA), ['0-3 rw'])
      assert.deepEqual(
        [0, 1, 2].map((page) => space.readUint8(at(page))),
        [1, 2, 3],
      )
      file.close()
    },
  )
})

describe('madvise', () => {
  const harmless = [
    'normal',
    'random',
    'sequential',
    'willneed',
    'dontfork',
    'dofork',
    'cold',
    'dontdump',
    'dodump',
  ] as const

  everywhere('advice that is only advice changes no byte [madvise01, madvise03]', (space, machine) => {
    const file = machine.createFile({ size: PAGE })
    mapAt(space, 0, 1)
    mapAt(space, 1, 1, { file, shared: true })
    for (const page of [0, 1]) {
      space.writeUint8(at(page), 3)
      for (const advice of harmless) space.madvise(at(page), PAGE, advice)
      assert.equal(space.readUint8(at(page)), 3)
    }
    file.close()
  })

  everywhere(
    'an address within a page, advice there is not and pages there are not are refused [madvise02]',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 0, 1, { file, shared: true })
      failsWith('EINVAL', () => space.madvise(at(0, 1), PAGE, 'normal'))
      assert.throws(() => space.madvise(at(0), PAGE, 'nothing' as 'normal'), RangeError)
      failsWith('ENOMEM', () => space.madvise(at(0), 2 * PAGE, 'normal'))
      failsWith('EINVAL', () => space.madvise(at(0), PAGE, 'free'))
      failsWith('EINVAL', () => space.madvise(at(0), PAGE, 'wipeonfork'))
      file.close()
    },
  )

  everywhere(
    'populating asks for the permission that it is named after, also where the processor would not [madvise12]',
    (space) => {
      mapAt(space, 0, 1, { protection: 'w' })
      mapAt(space, 1, 1, { protection: 'r' })
      mapAt(space, 2, 1, { protection: 'none' })
      failsWith('EINVAL', () => space.madvise(at(0), PAGE, 'populate-read'))
      space.madvise(at(0), PAGE, 'populate-write')
      space.madvise(at(1), PAGE, 'populate-read')
      failsWith('EINVAL', () => space.madvise(at(1), PAGE, 'populate-write'))
      failsWith('EINVAL', () => space.madvise(at(2), PAGE, 'populate-read'))
      assert.deepEqual(space.residentPages(at(0), 3 * PAGE), [true, true, false])
    },
  )

  everywhere(
    'given up, private memory is zero, and shared memory is what it was [tlb_flush1, tlb_flush2, tlb_flush3]',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE })
      const cases = [
        [{}, 0],
        [{ file }, 0],
        [{ file, shared: true }, 1],
      ] as const
      for (const [options, expected] of cases) {
        mapAt(space, 0, 1, options)
        for (let round = 0; round < 3; round++) {
          space.writeUint8(at(0), 1)
          space.madvise(at(0), PAGE, 'dontneed')
          assert.equal(space.readUint8(at(0)), expected)
        }
      }
      file.close()
    },
  )

  everywhere('memory that is shared is not marked to be merged with equal pages [ksm]', (space) => {
    mapAt(space, 0, 2, { shared: true })
    space.madvise(at(0), PAGE, 'mergeable')
    assert.deepEqual(shape(space, ARENA), ['0-2 rw'])
  })
})

describe('brk', () => {
  everywhere(
    'grows and shrinks by bytes, its pages are zero, and what is taken back is gone [brk01, sbrk01]',
    (space) => {
      space.setBrk(ARENA)
      assert.equal(space.brk(at(2, 5)), at(2, 5))
      assert.deepEqual(space.read(at(0), 3 * PAGE), new Uint8Array(3 * PAGE))
      space.writeUint8(at(2), 1)
      assert.equal(space.brk(at(1)), at(1))
      faults('SEGV_MAPERR', at(2), 'r', () => space.readUint8(at(2)))
      assert.equal(space.brk(at(3)), at(3))
      assert.equal(space.readUint8(at(2)), 0)
    },
  )

  everywhere(
    'grows beyond a part of other protection, as a mapping of its own, and shrinks over both [brk02]',
    (space) => {
      space.setBrk(ARENA)
      space.brk(at(2))
      space.mprotect(at(1), PAGE, 'r')
      assert.equal(space.brk(at(4)), at(4))
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '2-4 rw'])
      space.mprotect(at(1), PAGE, 'rw')
      assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
      assert.equal(space.brk(at(0)), at(0))
      assert.deepEqual(space.maps(), [])
    },
  )

  everywhere('stays where it is when there is no room [sbrk02]', (space) => {
    space.setBrk(ARENA)
    space.brk(at(1))
    mapAt(space, 4, 1)
    assert.equal(space.brk(at(4)), at(1))
    assert.equal(space.brk(at(3)), at(3))
  })

  everywhere(
    'is not taken back over a part that the program has unmapped, and stays where it is',
    (space) => {
      space.setBrk(ARENA)
      space.brk(at(3))
      space.munmap(at(1), 2 * PAGE)
      assert.equal(space.brk(at(1)), at(3))
      assert.equal(space.brk(at(0)), at(0))
      assert.deepEqual(space.maps(), [])
    },
  )
})

describe('mincore', () => {
  everywhere(
    'an address within a page is refused, and memory that is not there is missing [mincore01]',
    (space) => {
      mapAt(space, 0, 1)
      failsWith('EINVAL', () => space.residentPages(at(0, 1), PAGE))
      failsWith('ENOMEM', () => space.residentPages(at(0), 2 * PAGE))
      failsWith('ENOMEM', () => space.residentPages(at(7), PAGE))
    },
  )

  everywhere(
    'tells of each page of a file whether it is cached, mapped by this program or not [mincore02]',
    (space, machine) => {
      const file = machine.createFile({ size: 4 * PAGE })
      file.populate(1, 2)
      mapAt(space, 0, 4, { file, shared: true })
      assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [false, true, true, false])
      space.readUint8(at(3))
      assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [false, true, true, true])
      file.close()
    },
  )

  everywhere(
    'memory is not there before it is touched, is afterwards, and is not once given up [mincore03]',
    (space) => {
      mapAt(space, 0, 2)
      assert.deepEqual(space.residentPages(at(0), 2 * PAGE), [false, false])
      space.writeUint8(at(1), 1)
      assert.deepEqual(space.residentPages(at(0), 2 * PAGE), [false, true])
      space.madvise(at(0), 2 * PAGE, 'dontneed')
      assert.deepEqual(space.residentPages(at(0), 2 * PAGE), [false, false])
    },
  )
})

// Found by holding random sequences against Linux, see docs/conformance.md.
describe('what Linux does besides', () => {
  everywhere('an instruction fetch brings a readable page in before it is refused', (space, machine) => {
    mapAt(space, 0, 1, { protection: 'r' })
    faults('SEGV_ACCERR', at(0), 'x', () => space.touch(at(0), 'x'))
    assert.deepEqual(space.residentPages(at(0), PAGE), [true])
    const file = machine.createFile({ size: 0 })
    mapAt(space, 1, 1, { file, protection: 'r' })
    busError(at(1), () => space.touch(at(1), 'x'))
    file.close()
  })

  everywhere('memory that was never writable stays apart from memory that was', (space) => {
    mapAt(space, 0, 1, { protection: 'r' })
    mapAt(space, 1, 1)
    space.writeUint8(at(1), 1)
    space.mprotect(at(1), PAGE, 'r')
    assert.deepEqual(shape(space, ARENA), ['0-1 r', '1-2 r'])
    // Nothing can be in what was never touched, so that it counts no more.
    mapAt(space, 3, 1, { protection: 'r' })
    mapAt(space, 4, 1)
    space.mprotect(at(4), PAGE, 'r')
    assert.deepEqual(shape(space, ARENA), ['0-1 r', '1-2 r', '3-5 r'])
  })

  everywhere('mremap looks at what it is to move before it clears the place', (space) => {
    mapAt(space, 0, 1)
    mapAt(space, 8, 2, { protection: 'r' })
    failsWith('EFAULT', () => space.mremap(at(0), 3 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(8) }))
    failsWith('EINVAL', () => space.mremap(at(0), 0, 2 * PAGE, { mayMove: true, fixed: at(8) }))
    assert.deepEqual(shape(space, ARENA), ['0-1 rw', '8-10 r'])
  })

  everywhere(
    'what keeps its size moves to a fixed place over several mappings and holes, which stay as they are',
    (space, machine) => {
      const file = machine.createFile({ size: 2 * PAGE, contents: new Uint8Array(2 * PAGE).fill(6) })
      mapAt(space, 0, 2)
      mapAt(space, 2, 1, { file, protection: 'r', offset: PAGE })
      mapAt(space, 5, 2, { shared: true })
      mapAt(space, 12, 8, { protection: 'none' })
      space.writeUint8(at(1), 1)
      space.writeUint8(at(5), 5)
      const move = { mayMove: true, fixed: at(11) }
      assert.equal(space.mremap(at(1), 5 * PAGE, 5 * PAGE, move), at(11))
      // In the place of the hole stays what was there.
      const moved = ['11-12 rw', '12-13 r', '13-15 none', '15-16 rw', '16-20 none']
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '6-7 rw', ...moved])
      assert.deepEqual(
        [11, 12, 15].map((page) => space.readUint8(at(page))),
        [1, 6, 5],
      )
      assert.deepEqual(
        space.maps().map(({ offset }) => offset / PAGE),
        [0, 1, 0, 1, 0, 0, 0],
      )
      file.close()
    },
  )

  everywhere('moving over several mappings refuses a hole at the beginning, and any other size', (space) => {
    mapAt(space, 0, 1)
    mapAt(space, 1, 1, { protection: 'r' })
    mapAt(space, 3, 1)
    const fixed = { mayMove: true, fixed: at(8) }
    failsWith('EFAULT', () => space.mremap(at(0), 2 * PAGE, 3 * PAGE, fixed))
    failsWith('EFAULT', () => space.mremap(at(0), 3 * PAGE, 2 * PAGE, fixed))
    failsWith('EFAULT', () => space.mremap(at(2), 2 * PAGE, 2 * PAGE, fixed))
    failsWith('EFAULT', () => space.mremap(at(4), 2 * PAGE, 2 * PAGE, fixed))
    failsWith('EFAULT', () => space.mremap(at(0), 2 * PAGE, 2 * PAGE, { mayMove: true, dontUnmap: true }))
    failsWith('EINVAL', () => space.mremap(at(0), 4 * PAGE, 4 * PAGE, { mayMove: true, fixed: at(3) }))
    assert.deepEqual(shape(space, ARENA), ['0-1 rw', '1-2 r', '3-4 rw'])
    const leaving = { ...fixed, dontUnmap: true }
    assert.equal(space.mremap(at(0), 4 * PAGE, 4 * PAGE, leaving), at(8))
    assert.equal(space.maps().length, 6)
  })

  everywhere('locked memory that becomes writable part by part is touched part by part', (space) => {
    mapAt(space, 0, 12, { protection: 'none' })
    failsWith('ENOMEM', () => space.mlock(at(0), 3 * PAGE))
    space.mprotect(at(0), PAGE, 'x')
    space.mprotect(at(2), PAGE, 'wx')
    // The first two join; the third was touched on its own.
    space.mprotect(at(0), 3 * PAGE, 'w')
    assert.deepEqual(shape(space, ARENA), ['0-2 w', '2-3 w', '3-12 none'])
    assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [true, true, true, false])
  })

  everywhere('a twin of shared memory cannot take the place of its original', (space) => {
    mapAt(space, 0, 3, { shared: true })
    failsWith('EFAULT', () => space.mremap(at(1), 0, PAGE, { mayMove: true, fixed: at(1) }))
    assert.deepEqual(shape(space, ARENA), ['0-1 rw', '2-3 rw'])
  })

  everywhere(
    'leaving the old range mapped works for files too: it shows the file, the new one the copies',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE, contents: Uint8Array.of(4) })
      for (const [shared, old] of [
        [false, 4],
        [true, 5],
      ] as const) {
        mapAt(space, 0, 1, { file, shared })
        space.writeUint8(at(0), 5)
        space.mremap(at(0), PAGE, PAGE, { mayMove: true, dontUnmap: true, fixed: at(2) })
        assert.deepEqual([space.readUint8(at(0)), space.readUint8(at(2))], [old, 5])
      }
      file.close()
    },
  )

  everywhere(
    'a range whose pages were all moved away is as new, and joins what was touched on its own',
    (space) => {
      mapAt(space, 2, 2)
      space.madvise(at(2), 2 * PAGE, 'dontfork')
      mapAt(space, 0, 2)
      // Touched while they differ, the two can be one no more.
      space.writeUint8(at(0), 1)
      space.writeUint8(at(2), 1)
      space.mremap(at(0), 2 * PAGE, 2 * PAGE, { mayMove: true, dontUnmap: true, fixed: at(8) })
      space.madvise(at(2), 2 * PAGE, 'dofork')
      assert.deepEqual(shape(space, ARENA), ['0-4 rw', '8-10 rw'])
    },
  )

  everywhere(
    'a stack that has grown does not join what was never touched when part of it is moved away',
    (space) => {
      mapAt(space, 301, 2, { growsDown: true })
      space.readUint8(at(300))
      space.mremap(at(302), PAGE, PAGE, { mayMove: true, fixed: at(300) })
      assert.deepEqual(shape(space, ARENA), ['300-301 rw', '301-302 rw'])
    },
  )

  everywhere(
    'a write to a private file behind its end makes the mapping one that was touched',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 0, 4, { file })
      space.mprotect(at(1), PAGE, 'none')
      busError(at(2), () => space.writeUint8(at(2), 1))
      space.writeUint8(at(0), 1)
      space.mprotect(at(0), PAGE, 'none')
      space.mprotect(at(2), 2 * PAGE, 'none')
      assert.deepEqual(shape(space, ARENA), ['0-2 none', '2-4 none'])
      file.close()
    },
  )

  everywhere('reading a file in memory does not make the pages that it never had', (space, machine) => {
    const file = machine.createFile({ size: 4 * PAGE, contents: new Uint8Array(PAGE + 1).fill(3) })
    mapAt(space, 0, 4, { file, shared: true })
    assert.deepEqual(file.read(PAGE - 1, 2 * PAGE), Uint8Array.from([3, 3, ...Array(2 * PAGE - 2).fill(0)]))
    assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [true, true, false, false])
    space.munmap(at(0), 4 * PAGE)
    file.close()
  })

  everywhere(
    'reading shared memory maps what is there around it, of anonymous memory as of files',
    (space) => {
      mapAt(space, 0, 4, { shared: true })
      space.fill(at(0), 3 * PAGE, 4)
      space.madvise(at(0), 4 * PAGE, 'dontneed')
      assert.notEqual(space.touch(at(1), 'r'), 0)
      assert.equal(space.touch(at(0), 'r'), 0)
      assert.equal(space.touch(at(2), 'w'), 0)
      assert.notEqual(space.touch(at(3), 'r'), 0)
    },
  )

  everywhere(
    'what was moved into a neighbour that was never touched is inherited by a child all the same',
    (space, machine) => {
      const file = machine.createFile({ size: 8 * PAGE })
      mapAt(space, 3, 2, { file, offset: 2 * PAGE })
      mapAt(space, 5, 2, { file })
      space.writeUint8(at(6), 9)
      space.mremap(at(6), PAGE, PAGE, { mayMove: true, fixed: at(2) })
      assert.deepEqual(shape(space, ARENA), ['2-5 rw', '5-6 rw'])
      const child = space.fork()
      assert.equal(child.readUint8(at(2)), 9)
      child.destroy()
      file.close()
    },
  )

  everywhere(
    'what a child inherited does not lend its tie to pages to what is mapped beside it, so that they stay apart',
    (space) => {
      mapAt(space, 0, 4)
      space.writeUint8(at(0), 1)
      const child = space.fork()
      mapAt(child, 3, 1)
      child.writeUint8(at(3), 1)
      // In the place of page 2 comes one that was never touched: it may join the new mapping, not the inherited one.
      mapAt(child, 6, 1)
      child.mremap(at(6), PAGE, PAGE, { mayMove: true, fixed: at(2) })
      assert.deepEqual(shape(child, ARENA), ['0-2 rw', '2-4 rw'])
      // In the parent the three are one.
      mapAt(space, 3, 1)
      space.writeUint8(at(3), 1)
      mapAt(space, 6, 1)
      space.mremap(at(6), PAGE, PAGE, { mayMove: true, fixed: at(2) })
      assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
      child.destroy()
    },
  )

  everywhere(
    'a read behind the end of a file maps what is cached before it all the same',
    (space, machine) => {
      const file = machine.createFile({ size: PAGE, contents: Uint8Array.of(7) })
      mapAt(space, 0, 2, { file, protection: 'r' })
      busError(at(1), () => space.readUint8(at(1)))
      assert.equal(space.touch(at(0), 'r'), 0)
      file.close()
    },
  )
})
