// What the Linux Test Project, and the tlb_flush programs of will-it-scale, hold mappings of files on disk to, said in
// our own words for what there is here. Each test names the behaviour and, in brackets, the programs that ask for it.
// msync is in files.test.ts, what needs threads in files-threads.test.ts.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { AddressSpace, DiskFile, Machine } from '../../src/memory.ts'
import {
  at,
  busError,
  configurations,
  failsWith,
  faults,
  mapAt,
  PAGE,
  shape,
  ARENA,
  withSpace,
} from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-ltp-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0

/** A file of `pages` pages and `bytes` bytes more, each byte the number of its page plus one. */
function pagesOnDisk(pages: number, bytes = 0): string {
  const path = join(folder, `file-${count++}`)
  writeFileSync(
    path,
    Uint8Array.from({ length: pages * PAGE + bytes }, (_, index) => (index >> 12) + 1),
  )
  return path
}

function everywhere(
  name: string,
  pages: number,
  body: (space: AddressSpace, file: DiskFile, machine: Machine) => void,
  bytes = 0,
): void {
  test(name, () => {
    for (const configuration of configurations) {
      withSpace((space, machine) => {
        const file = machine.openFile(pagesOnDisk(pages, bytes), { mode: 'r+' })
        body(space, file, machine)
        file.close()
      }, configuration)
    }
  })
}

describe('mmap of a file', () => {
  everywhere(
    'what is written behind the end, in the last page, is not in the file, nor in another mapping made later [mmap01]',
    1,
    (space, file, machine) => {
      const address = mapAt(space, 0, 2, { file, shared: true })
      space.write(at(1, 100), Buffer.from('behind the end'))
      space.msync(address, 2 * PAGE)
      assert.equal(readFileSync(file.path).length, PAGE + 100)
      space.munmap(address, 2 * PAGE)
      assert.equal(file.size, PAGE + 100)
      assert.deepEqual([...file.read(PAGE + 90, 100)], Array(10).fill(2))
      machine.sync()
      assert.deepEqual(readFileSync(file.path).length, PAGE + 100)
    },
    100,
  )

  everywhere('a readable mapping shows the file, and refuses a write [mmap02]', 2, (space, file) => {
    mapAt(space, 0, 2, { file, protection: 'r', shared: true })
    assert.deepEqual([...space.read(at(0, PAGE - 2), 4)], [1, 1, 2, 2])
    faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint8(at(0), 1))
  })

  everywhere('an executable mapping can be executed and, as on x86, read [mmap03]', 1, (space, file) => {
    mapAt(space, 0, 1, { file, protection: 'x' })
    space.touch(at(0), 'x')
    assert.equal(space.readUint8(at(0)), 1)
    faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint8(at(0), 1))
  })

  everywhere(
    'the list of mappings shows protection, sharing and offset of each [mmap04]',
    4,
    (space, file) => {
      for (const [page, protection, shared] of [
        [0, 'r', false],
        [2, 'rw', false],
        [4, 'rx', true],
        [6, 'rwx', true],
        [8, 'none', true],
      ] as const) {
        mapAt(space, page, 1, { file, protection, shared, offset: (page % 4) * PAGE })
      }
      assert.deepEqual(
        space.maps().map(({ protection, shared, offset }) => [protection, shared, offset / PAGE]),
        [
          ['r', false, 0],
          ['rw', false, 2],
          ['rx', true, 0],
          ['rwx', true, 2],
          ['none', true, 0],
        ],
      )
    },
  )

  everywhere(
    'a file that is closed cannot be mapped, a mapping outlives its file [mmap08]',
    2,
    (space, file, machine) => {
      const { path } = file
      const other = machine.openFile(path)
      mapAt(space, 0, 2, { file: other })
      other.close()
      failsWith('EBADF', () => space.mmap(PAGE, { file: other }))
      assert.equal(space.readUint8(at(1)), 2)
    },
  )

  everywhere('a mapped file can be made longer, shorter, and as it was [mmap09]', 4, (space, file) => {
    mapAt(space, 0, 6, { file, shared: true })
    file.truncate(6 * PAGE)
    assert.equal(space.readUint8(at(5)), 0)
    file.truncate(2 * PAGE)
    busError(at(2), () => space.readUint8(at(2)))
    file.truncate(4 * PAGE)
    assert.deepEqual([space.readUint8(at(1)), space.readUint8(at(3))], [2, 0])
  })

  everywhere(
    'beyond the last page of the file is a bus error, not a segmentation fault [mmap13]',
    1,
    (space, file) => {
      mapAt(space, 0, 3, { file })
      for (const page of [1, 2]) {
        busError(at(page), () => space.readUint8(at(page)))
        busError(at(page), () => space.writeUint8(at(page), 1))
      }
      faults('SEGV_MAPERR', at(3), 'r', () => space.readUint8(at(3)))
    },
  )

  everywhere('each mapping of a file at an offset shows that place, until it is gone', 8, (space, file) => {
    for (const page of [7, 0, 4]) {
      mapAt(space, page, 1, { file, offset: page * PAGE })
      assert.equal(space.readUint8(at(page)), page + 1)
      space.munmap(at(page), PAGE)
      faults('SEGV_MAPERR', at(page), 'r', () => space.readUint8(at(page)))
    }
  })
})

describe('mprotect, mremap and mincore of a file', () => {
  everywhere('write permission that comes later writes to the file [mprotect03]', 2, (space, file) => {
    mapAt(space, 0, 2, { file, protection: 'r', shared: true })
    space.readUint8(at(0))
    faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint8(at(0), 9))
    space.mprotect(at(0), PAGE, 'rw')
    space.writeUint8(at(0), 9)
    space.mprotect(at(0), PAGE, 'r')
    faults('SEGV_ACCERR', at(0), 'w', () => space.writeUint8(at(0), 8))
    space.msync(at(0), PAGE)
    assert.equal(readFileSync(file.path)[0], 9)
  })

  everywhere('a mapping that grows shows more of its file, and writes it [mremap01]', 6, (space, file) => {
    mapAt(space, 0, 2, { file, shared: true })
    const moved = space.mremap(at(0), 2 * PAGE, 6 * PAGE, { mayMove: true })
    assert.deepEqual([...space.read(moved + 5 * PAGE, 2)], [6, 6])
    space.writeUint8(moved + 5 * PAGE, 66)
    space.msync(moved, 6 * PAGE)
    assert.equal(readFileSync(file.path)[5 * PAGE], 66)
  })

  everywhere(
    'a part that moves away and back keeps its place in the file and merges again [mremap06]',
    5,
    (space, file) => {
      mapAt(space, 0, 5, { file, shared: true })
      space.mremap(at(1), PAGE, PAGE, { mayMove: true, fixed: at(20) })
      assert.deepEqual(shape(space, ARENA), ['0-1 rw', '2-5 rw', '20-21 rw'])
      assert.equal(space.readUint8(at(20)), 2)
      space.mremap(at(20), PAGE, PAGE, { mayMove: true, fixed: at(1) })
      assert.deepEqual(shape(space, ARENA), ['0-5 rw'])
      for (let page = 0; page < 5; page++) assert.equal(space.readUint8(at(page)), page + 1)
    },
  )

  everywhere(
    'pages are in memory once something has read them, by whichever mapping [mincore02]',
    100,
    (space, file, machine) => {
      mapAt(space, 0, 100, { file })
      assert.deepEqual(space.residentPages(at(0), 100 * PAGE), Array(100).fill(false))
      const other = machine.createAddressSpace()
      const there = other.mmap(100 * PAGE, { file, populate: true })
      assert.deepEqual(space.residentPages(at(0), 100 * PAGE), Array(100).fill(true))
      assert.equal(other.readUint8(there + 99 * PAGE), 100)
      other.destroy()
    },
  )
})

describe('madvise of a file', () => {
  everywhere('private pages that are given up show the file again [tlb_flush1]', 8, (space, file) => {
    mapAt(space, 0, 8, { file })
    for (let page = 0; page < 8; page++) {
      space.writeUint8(at(page), 77)
      space.madvise(at(page), PAGE, 'dontneed')
      assert.equal(space.readUint8(at(page)), page + 1)
    }
    assert.equal(readFileSync(file.path)[0], 1)
  })

  everywhere(
    'shared pages that are given up keep what was written, also for the disk [tlb_flush3]',
    8,
    (space, file) => {
      mapAt(space, 0, 8, { file, shared: true })
      for (let page = 0; page < 8; page++) {
        space.writeUint8(at(page), 77)
        space.madvise(at(page), PAGE, 'dontneed')
        assert.equal(space.readUint8(at(page)), 77)
        space.madvise(at(page), PAGE, 'dontneed')
      }
      file.sync()
      for (let page = 0; page < 8; page++) assert.equal(readFileSync(file.path)[page * PAGE], 77)
    },
  )
})
