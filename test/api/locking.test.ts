// mlock and its family: what the Linux Test Project holds them to, said in our own words, and what mm/mlock.c has
// beside that. Each test names the behaviour and, in brackets, the programs of that project that ask for it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressSpace, Machine, MachineOptions } from '../../src/memory.ts'
import { ARENA, at, configurations, failsWith, faults, mapAt, PAGE, shape, withSpace } from './support.ts'

/** Every design with the plain lock, since each has its own way through these calls. */
const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')

function everywhere(
  name: string,
  body: (space: AddressSpace, machine: Machine) => void,
  options: Partial<MachineOptions> = {},
): void {
  test(name, () => {
    for (const configuration of designs) withSpace(body, { ...options, ...configuration })
  })
}

/** Pages that are counted as locked. */
function locked(space: AddressSpace): number {
  return space.mapped.locked / PAGE
}

function resident(space: AddressSpace, page: number, pages: number): string {
  return space
    .residentPages(at(page), pages * PAGE)
    .map((each) => (each ? '1' : '0'))
    .join('')
}

describe('mlock', () => {
  everywhere('a range of any length is locked by whole pages, and brought in [mlock01, mlock05]', (space) => {
    mapAt(space, 0, 600)
    for (const length of [1, PAGE, PAGE + 1, 1024 * 1024]) {
      const pages = Math.ceil(length / PAGE)
      space.mlock(at(0), length)
      assert.equal(locked(space), pages)
      assert.equal(resident(space, 0, pages + 1), `${'1'.repeat(pages)}0`)
      space.munlock(at(0), length)
      assert.equal(locked(space), 0)
      space.madvise(at(0), 600 * PAGE, 'dontneed')
    }
  })

  everywhere('a range that begins within a page begins with that page', (space) => {
    mapAt(space, 0, 3)
    space.mlock(at(0, PAGE - 1), 2)
    assert.equal(resident(space, 0, 3), '110')
    assert.equal(locked(space), 2)
    space.munlock(at(0, 5), 1)
    assert.equal(locked(space), 1)
  })

  everywhere('no length locks nothing', (space) => {
    mapAt(space, 0, 1)
    space.mlock(at(0), 0)
    space.munlock(at(9), 0)
    assert.equal(locked(space), 0)
  })

  everywhere(
    'where something is not mapped, what is before it is locked, and nothing is brought in [mlock02, munlock02]',
    (space) => {
      mapAt(space, 0, 2)
      mapAt(space, 3, 2)
      failsWith('ENOMEM', () => space.mlock(at(0), 5 * PAGE))
      assert.deepEqual([locked(space), resident(space, 0, 2)], [2, '00'])
      failsWith('ENOMEM', () => space.mlock(at(2), PAGE))
      failsWith('ENOMEM', () => space.munlock(at(0), 3 * PAGE))
      assert.equal(locked(space), 0)
      failsWith('ENOMEM', () => space.munlock(at(8), PAGE))
    },
  )

  everywhere(
    'beyond the limit nothing is locked; without any allowance, not even asked [mlock02]',
    (space) => {
      mapAt(space, 0, 4)
      space.setLimit('memlock', 3 * PAGE + 100)
      failsWith('ENOMEM', () => space.mlock(at(0), 4 * PAGE))
      assert.equal(locked(space), 0)
      space.mlock(at(0), 3 * PAGE)
      failsWith('ENOMEM', () => space.mlock(at(3), 1))
      space.setLimit('memlock', 0)
      failsWith('EPERM', () => space.mlock(at(0), PAGE))
      failsWith('EPERM', () => space.mlock(at(9), PAGE))
      failsWith('EPERM', () => space.mlockall({ future: true }))
      failsWith('EPERM', () => mapAt(space, 8, 1, { locked: true }))
      space.munlock(at(0), 3 * PAGE)
      assert.equal(locked(space), 0)
      space.setLimit('memlock', 100)
      failsWith('ENOMEM', () => space.mlock(at(0), PAGE))
    },
  )

  everywhere('pages that are locked already do not count twice [mlock203]', (space) => {
    mapAt(space, 0, 4)
    space.setLimit('memlock', 4 * PAGE)
    space.mlock(at(1), 2 * PAGE)
    space.mlock(at(0), 4 * PAGE)
    assert.equal(locked(space), 4)
    space.mlock(at(0), 4 * PAGE, { onFault: true })
    assert.equal(locked(space), 4)
  })

  everywhere(
    'a file’s pages are locked through a mapping, and read as before [mlock04]',
    (space, machine) => {
      const contents = Uint8Array.from({ length: 3 * PAGE }, (_, byte) => byte & 0xff)
      const file = machine.createFile({ size: 3 * PAGE, contents })
      for (const shared of [false, true]) {
        mapAt(space, 0, 3, { file, shared })
        space.mlock(at(0), 3 * PAGE)
        const before = machine.counters()['pgfault']
        assert.deepEqual(space.read(at(0), 3 * PAGE), contents)
        assert.equal(machine.counters()['pgfault'], before)
        space.munmap(at(0), 3 * PAGE)
        assert.equal(locked(space), 0)
      }
      file.close()
    },
  )

  everywhere('a private page that can be written is made this mapping’s own at once', (space, machine) => {
    const file = machine.createFile({ size: PAGE })
    mapAt(space, 0, 1, { file })
    space.mlock(at(0), PAGE)
    assert.equal(space.rss.anonymous, 1)
    const before = machine.counters()['pgfault']
    space.writeUint8(at(0), 1)
    assert.equal(machine.counters()['pgfault'], before)
    file.close()
  })

  everywhere(
    'what allows no access, and what lies beyond a file, is locked and has no page',
    (space, machine) => {
      mapAt(space, 0, 1, { protection: 'none' })
      failsWith('ENOMEM', () => space.mlock(at(0), PAGE))
      assert.equal(locked(space), 1)
      const file = machine.createFile({ size: PAGE })
      mapAt(space, 1, 2, { file })
      failsWith('ENOMEM', () => space.mlock(at(1), 2 * PAGE))
      assert.equal(locked(space), 3)
      assert.equal(resident(space, 0, 2), '01')
      file.close()
    },
  )

  everywhere(
    'where no frame is free, the call says so, and what could be brought in stays locked',
    (space) => {
      mapAt(space, 0, 400)
      failsWith('EAGAIN', () => space.mlock(at(0), 400 * PAGE))
      assert.equal(locked(space), 400)
      assert.ok(space.rss.anonymous > 50)
      space.munlock(at(0), 400 * PAGE)
    },
    { memory: 256 * PAGE, overcommit: 'always' },
  )

  everywhere('with onFault only what is used is brought in [mlock201, mlock202]', (space) => {
    mapAt(space, 0, 4)
    space.writeUint8(at(1), 1)
    space.mlock(at(0), 4 * PAGE, { onFault: true })
    assert.deepEqual([locked(space), resident(space, 0, 4)], [4, '0100'])
    space.writeUint8(at(3), 1)
    assert.equal(resident(space, 0, 4), '0101')
    failsWith('ENOMEM', () => space.mlock(at(2), 4 * PAGE, { onFault: true }))
    space.mlock(at(0), 4 * PAGE)
    assert.equal(resident(space, 0, 4), '1111')
  })

  everywhere(
    'what is locked and what is not are two mappings, and one again when they are alike [mlock03]',
    (space) => {
      mapAt(space, 0, 6)
      space.writeUint8(at(0), 1)
      space.mlock(at(2), 2 * PAGE)
      assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 rw', '4-6 rw'])
      space.mlock(at(2), 2 * PAGE, { onFault: true })
      space.mlock(at(4), 2 * PAGE)
      assert.deepEqual(shape(space, ARENA), ['0-2 rw', '2-4 rw', '4-6 rw'])
      space.munlock(at(0), 6 * PAGE)
      assert.deepEqual(shape(space, ARENA), ['0-6 rw'])
    },
  )
})

describe('munlock', () => {
  everywhere('part of a range is unlocked as whole ones are [munlock01]', (space) => {
    mapAt(space, 0, 8)
    space.mlock(at(0), 8 * PAGE)
    space.munlock(at(2), 3 * PAGE)
    assert.equal(locked(space), 5)
    space.munlock(at(0), 8 * PAGE)
    assert.equal(locked(space), 0)
    assert.equal(resident(space, 0, 8), '11111111')
  })
})

describe('mlockall', () => {
  everywhere('of what is mapped, locks and brings in all that can be [mlockall01]', (space) => {
    mapAt(space, 0, 2)
    mapAt(space, 2, 2, { protection: 'none' })
    mapAt(space, 4, 2, { protection: 'r' })
    space.mlockall({ current: true })
    assert.deepEqual([locked(space), resident(space, 0, 6)], [6, '110011'])
    mapAt(space, 8, 1)
    assert.deepEqual([locked(space), resident(space, 8, 1)], [6, '0'])
  })

  everywhere('of what will be mapped, leaves what is as it is [mlockall01]', (space) => {
    mapAt(space, 0, 2)
    space.mlockall({ future: true })
    assert.equal(locked(space), 0)
    mapAt(space, 2, 3)
    space.setBrk(at(100))
    space.brk(at(102))
    assert.deepEqual([locked(space), resident(space, 2, 3), resident(space, 100, 2)], [5, '111', '11'])
    space.mlockall({ future: true, onFault: true })
    mapAt(space, 8, 2, { populate: true })
    assert.deepEqual([locked(space), resident(space, 8, 2)], [7, '00'])
    space.mlockall({ current: true })
    assert.equal(locked(space), 9)
    mapAt(space, 20, 1)
    assert.equal(locked(space), 9)
  })

  everywhere('neither is refused; so is more than may be locked [mlockall02, mlockall03]', (space) => {
    failsWith('EINVAL', () => space.mlockall({}))
    failsWith('EINVAL', () => space.mlockall({ onFault: true }))
    mapAt(space, 0, 4)
    space.setLimit('memlock', 3 * PAGE)
    failsWith('ENOMEM', () => space.mlockall({ current: true }))
    failsWith('ENOMEM', () => space.mlockall({ current: true, future: true }))
    mapAt(space, 8, 1)
    assert.equal(locked(space), 0)
    space.mlockall({ future: true })
    failsWith('EAGAIN', () => mapAt(space, 10, 4))
    mapAt(space, 10, 3)
    assert.equal(space.brk(), space.brk(space.brk() + 1), 'the heap does not grow')
    space.munlockall()
  })

  everywhere('munlockall unlocks everything, and what is to come [munlockall01]', (space) => {
    mapAt(space, 0, 3)
    space.mlockall({ current: true, future: true })
    mapAt(space, 3, 2)
    assert.equal(locked(space), 5)
    space.munlockall()
    mapAt(space, 5, 1)
    assert.equal(locked(space), 0)
  })
})

describe('locked memory', () => {
  everywhere('is mapped so at once [mmap14]', (space) => {
    mapAt(space, 0, 5, { locked: true })
    assert.deepEqual([locked(space), resident(space, 0, 5)], [5, '11111'])
    space.setLimit('memlock', 6 * PAGE)
    failsWith('EAGAIN', () => mapAt(space, 8, 2, { locked: true }))
    assert.deepEqual(shape(space, ARENA), ['0-5 rw'])
    mapAt(space, 8, 1, { locked: true })
    mapAt(space, 20, 1, { locked: false })
    mapAt(space, 10, 2, { protection: 'none' })
    assert.equal(locked(space), 6)
  })

  everywhere('is not given up, nor said to be cold [madvise02]', (space) => {
    mapAt(space, 0, 4)
    space.mlock(at(2), PAGE)
    for (const advice of ['dontneed', 'free', 'cold', 'pageout'] as const) {
      space.fill(at(0), 4 * PAGE, 7)
      failsWith('EINVAL', () => space.madvise(at(0), 4 * PAGE, advice))
      for (const page of [2, 3]) assert.equal(space.readUint8(at(page)), 7, advice)
    }
    assert.equal(space.readUint8(at(0)), 7)
    space.madvise(at(1), 2 * PAGE, 'dontneed-locked')
    assert.deepEqual(
      [1, 2, 3].map((page) => space.readUint8(at(page))),
      [0, 0, 7],
    )
    assert.equal(locked(space), 1)
    space.madvise(at(2), PAGE, 'willneed')
  })

  everywhere('grows with what is brought in, and not beyond the limit', (space) => {
    mapAt(space, 0, 2)
    space.mlock(at(0), 2 * PAGE)
    space.mremap(at(0), 2 * PAGE, 4 * PAGE)
    assert.deepEqual([locked(space), resident(space, 0, 4)], [4, '1111'])
    mapAt(space, 4, 1)
    space.mremap(at(0), 4 * PAGE, 6 * PAGE, { mayMove: true, fixed: at(10) })
    assert.deepEqual([locked(space), resident(space, 10, 6)], [6, '111111'])
    space.setLimit('memlock', 6 * PAGE)
    failsWith('EAGAIN', () => space.mremap(at(10), 6 * PAGE, 7 * PAGE, { mayMove: true }))
    space.mremap(at(10), 6 * PAGE, 3 * PAGE)
    assert.equal(locked(space), 3)
  })

  everywhere('that mremap leaves without its pages is locked no more', (space) => {
    mapAt(space, 0, 4)
    space.mlock(at(0), 4 * PAGE)
    space.mremap(at(1), 2 * PAGE, 2 * PAGE, { mayMove: true, fixed: at(10), dontUnmap: true })
    assert.equal(locked(space), 2)
    space.madvise(at(0), 4 * PAGE, 'dontneed')
    failsWith('EINVAL', () => space.madvise(at(10), PAGE, 'dontneed'))
  })

  everywhere(
    'mprotect brings in what becomes writable, each part apart, and nothing that could be written before',
    (space, machine) => {
      space.mmap(3 * PAGE, { address: at(0), fixed: true, protection: 'none', locked: true })
      space.mprotect(at(1), PAGE, 'rw')
      // Both sides share the page in the middle now, until one of them writes to it.
      const child = space.fork()
      space.mprotect(at(0), 3 * PAGE, 'rw')
      const faultsOf = (page: number): number => {
        const before = machine.counters()['pgfault']!
        space.writeUint8(at(page), 1)
        return machine.counters()['pgfault']! - before
      }
      assert.deepEqual([0, 1, 2].map(faultsOf), [0, 1, 0])
      child.destroy()
    },
  )

  everywhere('that becomes writable gets its own pages at once', (space, machine) => {
    mapAt(space, 0, 2, { protection: 'r' })
    space.mlock(at(0), 2 * PAGE)
    assert.equal(space.rss.anonymous, 0)
    space.mprotect(at(0), 2 * PAGE, 'rw')
    assert.equal(space.rss.anonymous, 2)
    const before = machine.counters()['pgfault']
    space.writeUint8(at(1), 1)
    assert.equal(machine.counters()['pgfault'], before)
  })

  everywhere('is so in the parent only, and so is what mlockall said of the future', (space) => {
    mapAt(space, 0, 2)
    space.mlockall({ current: true, future: true })
    const child = space.fork()
    assert.equal(child.mapped.locked, 0)
    child.mmap(PAGE)
    assert.equal(child.mapped.locked, 0)
    child.madvise(at(0), 2 * PAGE, 'dontneed')
    assert.equal(child.readUint8(at(0)), 0)
    assert.equal(locked(space), 2)
    child.destroy()
    space.munlockall()
  })

  everywhere('as a stack, grows no further than may be locked', (space) => {
    mapAt(space, 300, 2, { growsDown: true })
    space.mlock(at(300), 2 * PAGE)
    space.writeUint8(at(298), 1)
    assert.deepEqual([locked(space), resident(space, 298, 4)], [4, '1011'])
    space.setLimit('memlock', 5 * PAGE)
    faults('SEGV_MAPERR', at(296), 'w', () => space.writeUint8(at(296), 1))
    space.writeUint8(at(297), 1)
    assert.equal(locked(space), 5)
  })
})
