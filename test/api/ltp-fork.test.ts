// What the Linux Test Project holds fork to, said in our own words: copies that share pages until somebody writes.
// First by one thread, then with a thread that forks while another writes. As in ltp.test.ts, each test names the
// behaviour and, in brackets, the programs of that project that ask for it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressSpace, Machine, MapOptions } from '../../src/memory.ts'
import { ARENA, at, configurations, failsWith, faults, mapAt, PAGE, shape, withSpace } from './support.ts'
import { finish, makeControl, more, pause, Thread, untilReady, withThreads } from './thread-support.ts'

const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')

function everywhere(name: string, body: (space: AddressSpace, machine: Machine) => void): void {
  test(name, () => {
    for (const configuration of designs) withSpace(body, configuration)
  })
}

/** Runs `body` in a child, which ends then. */
function inChild(space: AddressSpace, body: (child: AddressSpace) => void): void {
  const child = space.fork()
  body(child)
  child.destroy()
}

describe('fork', () => {
  everywhere(
    'memory of every kind, touched by parent and child in turn, leaves nothing behind [mmap10]',
    (space, machine) => {
      const file = machine.createFile({ size: 8 * PAGE })
      const kinds: MapOptions[] = [{}, { shared: true }, { file }, { file, shared: true }]
      for (const options of kinds) {
        mapAt(space, 0, 8, options)
        // Before the fork, after it by the parent, after it by the child; and none of them.
        space.writeUint8(at(0), 1)
        inChild(space, (child) => {
          space.writeUint8(at(1), 2)
          child.writeUint8(at(2), 3)
          child.writeUint8(at(0), 4)
          child.munmap(at(4), 2 * PAGE)
          const seen = [0, 1, 2].map((page) => child.readUint8(at(page)))
          assert.deepEqual(seen, options.shared === true ? [4, 2, 3] : [4, 0, 3])
        })
        const seen = [0, 1, 2].map((page) => space.readUint8(at(page)))
        assert.deepEqual(seen, options.shared === true ? [4, 2, 3] : [1, 2, 0])
        space.munmap(at(0), 8 * PAGE)
      }
      assert.deepEqual(file.read(0, 1), Uint8Array.of(4))
      file.close()
    },
  )

  everywhere(
    'a child finds zeros where its parent said so, and so do its own children, until told otherwise [madvise10]',
    (space, machine) => {
      mapAt(space, 0, 4)
      for (let page = 0; page < 4; page++) space.writeUint8(at(page), 9)
      space.madvise(at(1), 2 * PAGE, 'wipeonfork')
      const seen = (child: AddressSpace): number[] => [0, 1, 2, 3].map((page) => child.readUint8(at(page)))
      inChild(space, (child) => {
        assert.deepEqual(seen(child), [9, 0, 0, 9])
        child.writeUint8(at(1), 5)
        // The advice is inherited with the mapping.
        inChild(child, (grandchild) => assert.deepEqual(seen(grandchild), [9, 0, 0, 9]))
        child.madvise(at(1), PAGE, 'keeponfork')
        inChild(child, (grandchild) => assert.deepEqual(seen(grandchild), [9, 5, 0, 9]))
      })
      assert.deepEqual(seen(space), [9, 9, 9, 9])
      space.madvise(at(0), 4 * PAGE, 'keeponfork')
      inChild(space, (child) => assert.deepEqual(seen(child), [9, 9, 9, 9]))
      const file = machine.createFile({ size: PAGE })
      for (const options of [{ shared: true }, { file }, { file, shared: true }]) {
        mapAt(space, 8, 1, options)
        failsWith('EINVAL', () => space.madvise(at(8), PAGE, 'wipeonfork'))
      }
      space.munmap(at(8), PAGE)
      file.close()
    },
  )

  everywhere(
    'what is not to be inherited is not mapped in a child, and stays with its parent [madvise10]',
    (space) => {
      mapAt(space, 0, 3)
      space.writeUint8(at(1), 6)
      space.madvise(at(1), PAGE, 'dontfork')
      inChild(space, (child) => {
        assert.deepEqual(shape(child, ARENA), ['0-1 rw', '2-3 rw'])
        faults('SEGV_MAPERR', at(1), 'r', () => child.readUint8(at(1)))
        mapAt(child, 1, 1)
        assert.equal(child.readUint8(at(1)), 0)
      })
      assert.equal(space.readUint8(at(1)), 6)
      space.madvise(at(1), PAGE, 'dofork')
      inChild(space, (child) => assert.equal(child.readUint8(at(1)), 6))
    },
  )

  everywhere(
    'pages of shared memory that a child brings in are in memory for its parent; of private memory, not [mincore04]',
    (space) => {
      mapAt(space, 0, 4, { shared: true })
      mapAt(space, 4, 4)
      inChild(space, (child) => {
        for (const page of [1, 3, 5]) child.writeUint8(at(page), 1)
        assert.deepEqual(child.residentPages(at(4), 4 * PAGE), [false, true, false, false])
      })
      assert.deepEqual(space.residentPages(at(0), 4 * PAGE), [false, true, false, true])
      assert.deepEqual(space.residentPages(at(4), 4 * PAGE), [false, false, false, false])
    },
  )

  everywhere('terabytes that are mapped and hardly touched are inherited whole [fork14]', (space) => {
    const piece = 2 ** 40
    const starts = [1, 2, 3].map((number) =>
      space.mmap(piece, { address: number * piece, fixed: true, noReserve: true }),
    )
    const places = starts.flatMap((start) => [start, start + piece / 2, start + piece - PAGE])
    for (const [number, place] of places.entries()) space.writeUint32(place, number + 1)
    inChild(space, (child) => {
      assert.equal(child.maps().length, 1)
      assert.equal(child.rss.anonymous, places.length)
      for (const [number, place] of places.entries()) {
        assert.equal(child.readUint32(place), number + 1)
        child.writeUint32(place, 0)
      }
    })
    for (const [number, place] of places.entries()) assert.equal(space.readUint32(place), number + 1)
  })

  everywhere(
    'what is mapped beside inherited memory stays a mapping of its own; in the parent the two are one [vma01]',
    (space) => {
      mapAt(space, 1, 2)
      space.writeUint8(at(1), 1)
      inChild(space, (child) => {
        mapAt(child, 3, 1)
        assert.deepEqual(shape(child, ARENA), ['1-3 rw', '3-4 rw'])
        mapAt(child, 0, 1)
        assert.deepEqual(shape(child, ARENA), ['0-1 rw', '1-3 rw', '3-4 rw'])
        // Nor does inherited memory that was split join again with what has been mapped anew within it.
        child.munmap(at(2), PAGE)
        mapAt(child, 2, 1)
        assert.deepEqual(shape(child, ARENA), ['0-1 rw', '1-2 rw', '2-4 rw'])
      })
      mapAt(space, 3, 1)
      mapAt(space, 0, 1)
      assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
    },
  )

  everywhere(
    'private copies of a file, given up by one side, never reach the file or the other side [dirtyc0w]',
    (space, machine) => {
      const contents = new Uint8Array(2 * PAGE).fill(7)
      const file = machine.createFile({ size: contents.length, contents })
      mapAt(space, 0, 2, { file })
      space.writeUint8(at(0), 1)
      const child = space.fork()
      for (let round = 0; round < 4; round++) {
        for (const [page, before] of [
          [0, round === 0 ? 1 : 7],
          [1, 7],
        ] as const) {
          assert.equal(child.readUint8(at(page)), before)
          child.writeUint8(at(page), 100 + round)
          child.madvise(at(page), PAGE, 'dontneed')
        }
        space.writeUint8(at(1), 50 + round)
        assert.deepEqual([space.readUint8(at(0)), space.readUint8(at(1))], [1, 50 + round])
      }
      child.destroy()
      assert.deepEqual(file.read(0, contents.length), contents)
      file.close()
    },
  )
})

/** Pages of the arena in the test below; beyond them lies a large mapping, of which only the ends are touched. */
const WIPED = 0
const COUNTED = 1
const OF_FILE = 2
const SHARED = 6
const LARGE = 8
const LARGE_PAGES = 2 ** 30 / PAGE

describe('a thread that forks while another writes', () => {
  for (const configuration of designs) {
    const cases = 'mmap10, madvise10, mincore04, fork14, vma01, dirtyc0w'
    test(`has in each copy what it is to have: ${configuration.design} [${cases}]`, async () => {
      await withThreads(configuration, async (space, machine) => {
        const contents = new Uint8Array(4 * PAGE)
        for (const page of [2, 3]) contents[page * PAGE] = page
        const file = machine.createFile({ size: contents.length, contents })
        mapAt(space, WIPED, 1)
        space.madvise(at(WIPED), PAGE, 'wipeonfork')
        mapAt(space, COUNTED, 1)
        mapAt(space, OF_FILE, 2, { file, offset: OF_FILE * PAGE })
        mapAt(space, 4, 1)
        space.writeUint32(at(4), 1)
        mapAt(space, SHARED, 2, { shared: true })
        mapAt(space, LARGE, LARGE_PAGES, { noReserve: true })
        const control = makeControl()
        const threads = [
          new Thread(space, { scenario: 'forkAndLook', control, pages: LARGE_PAGES, address: ARENA }),
        ]
        await untilReady(control, 1)
        for (let round = 1; more(control, round); round++) {
          space.writeUint32(at(WIPED), round)
          space.writeUint32(at(COUNTED), round)
          space.writeUint32(at(OF_FILE + (round % 2)), 1000 + round)
          if (round % 3 === 0) space.madvise(at(OF_FILE), 2 * PAGE, 'dontneed')
          space.writeUint32(at(LARGE), round)
          space.writeUint32(at(LARGE + LARGE_PAGES - 1), round)
          assert.deepEqual([space.readUint32(at(WIPED)), space.readUint32(at(COUNTED))], [round, round])
          pause(round)
        }
        const [result] = await finish<{ wrong: string[]; forks: number; shared: number[] }>(threads, control)
        const { wrong, forks, shared } = result!
        assert.deepEqual(wrong, [])
        // Shared memory that only children wrote to.
        assert.deepEqual(shared, forks % 2 === 0 ? [forks, forks - 1] : [forks - 1, forks])
        assert.deepEqual(space.residentPages(at(SHARED), 2 * PAGE), [true, true])
        assert.deepEqual(file.read(0, contents.length), contents)
        for (const { start, end } of space.maps()) space.munmap(start, end - start)
        file.close()
      })
    })
  }
})
