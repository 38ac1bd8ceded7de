// When mappings become one, and what they are then: what Linux's own unit tests of merging (tools/testing/vma) hold,
// said in our own words and asked for through calls. Positions within a file show whether each page is still the one
// that it was; a child shows whether the pages of private memory are still known to be there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AddressSpace, MemoryFile, Protection } from '../../src/memory.ts'
import { ARENA, at, configurations, mapAt, PAGE, shape, withSpace } from './support.ts'

const designs = configurations.filter(({ rwsem }) => rwsem === 'xadd')
const PAGES = 16

interface World {
  readonly space: AddressSpace
  readonly file: MemoryFile
  /** Maps pages of the file, those that have the numbers of their places unless `from` says otherwise. */
  map(page: number, pages: number, protection?: Protection, from?: number): void
  protect(page: number, pages: number, protection: Protection): void
  /** The mappings, and where in the file they begin: in pages, and told where that is not their place. */
  shown(): string[]
}

/** In every design, with a file each of whose pages begins with its number. */
function everywhere(name: string, body: (world: World) => void): void {
  test(name, () => {
    for (const configuration of designs) {
      withSpace((space, machine) => {
        const contents = new Uint8Array(PAGES * PAGE)
        for (let page = 0; page < PAGES; page++) contents[page * PAGE] = page
        const file = machine.createFile({ size: contents.length, contents })
        body({
          space,
          file,
          map(page, pages, protection = 'rw', from = page) {
            mapAt(space, page, pages, { file, protection, offset: from * PAGE })
          },
          protect: (page, pages, protection) => space.mprotect(at(page), pages * PAGE, protection),
          shown: () =>
            space.maps().map(({ start, end, protection, offset }) => {
              const [first, last, from] = [start - ARENA, end - ARENA, offset].map((bytes) => bytes / PAGE)
              return `${first}-${last} ${protection}${from === first ? '' : ` from ${from}`}`
            }),
        })
        for (const { start, end } of space.maps()) space.munmap(start, end - start)
        file.close()
      }, configuration)
    }
  })
}

/** Each page of the file that is mapped shows its own number. */
function holdsOwnPages({ space }: World, pages: readonly number[]): void {
  assert.deepEqual(
    pages.map((page) => space.readUint8(at(page))),
    pages,
  )
}

everywhere('a new mapping that continues one before it becomes part of it [simple merge]', (world) => {
  world.map(0, 3)
  world.map(3, 2)
  assert.deepEqual(world.shown(), ['0-5 rw'])
  holdsOwnPages(world, [0, 2, 3, 4])
})

everywhere('the stack of a thread merges with other stacks, and with nothing else', (world) => {
  const { space } = world
  mapAt(space, 1, 1, { stack: true })
  for (const page of [0, 2]) mapAt(space, page, 1)
  assert.deepEqual(
    space.maps().map(({ start, end }) => (end - start) / PAGE),
    [1, 1, 1],
  )
  mapAt(space, 2, 1, { stack: true, fixed: true })
  assert.deepEqual(
    space.maps().map(({ start, end }) => (end - start) / PAGE),
    [1, 2],
  )
  // glibc maps a stack without access first. Its pages then get an anon_vma of their own.
  mapAt(space, 4, 2, { protection: 'none', stack: true })
  mapAt(space, 6, 1)
  space.writeUint8(at(6), 1)
  world.protect(5, 1, 'rw')
  space.touch(at(5), 'w')
  assert.deepEqual(world.shown().slice(2), ['4-5 none from 0', '5-6 rw from 0', '6-7 rw from 0'])
})

everywhere(
  'flags changed in the middle make three, each at its place in the file [simple modify]',
  (world) => {
    world.map(0, 3)
    world.protect(1, 1, 'r')
    assert.deepEqual(world.shown(), ['0-1 rw', '1-2 r', '2-3 rw'])
    holdsOwnPages(world, [0, 1, 2])
  },
)

everywhere('a mapping that grows or shrinks keeps its beginning [simple expand, simple shrink]', (world) => {
  world.map(2, 1)
  assert.equal(world.space.mremap(at(2), PAGE, 3 * PAGE), at(2))
  assert.deepEqual(world.shown(), ['2-5 rw'])
  world.space.mremap(at(2), 3 * PAGE, PAGE)
  world.space.munmap(at(2), PAGE)
  world.map(2, 4)
  world.space.munmap(at(2), 2 * PAGE)
  assert.deepEqual(world.shown(), ['4-6 rw'])
})

everywhere(
  'new mappings join before, behind and between, and only where the file goes on [merge new]',
  (world) => {
    world.map(0, 2)
    world.map(3, 1)
    world.map(6, 2)
    assert.deepEqual(world.shown(), ['0-2 rw', '3-4 rw', '6-8 rw'])
    // Of another part of the file, it joins neither side.
    world.map(2, 1, 'rw', 9)
    assert.deepEqual(world.shown(), ['0-2 rw', '2-3 rw from 9', '3-4 rw', '6-8 rw'])
    world.map(2, 1)
    assert.deepEqual(world.shown(), ['0-4 rw', '6-8 rw'])
    world.map(4, 1)
    world.map(5, 1, 'r')
    assert.deepEqual(world.shown(), ['0-5 rw', '5-6 r', '6-8 rw'])
    world.map(5, 1)
    assert.deepEqual(world.shown(), ['0-8 rw'])
    world.map(8, 1, 'rw', 7)
    assert.deepEqual(world.shown(), ['0-8 rw', '8-9 rw from 7'])
    holdsOwnPages(world, [0, 1, 2, 3, 4, 5, 6, 7])
  },
)

everywhere(
  'a part becomes like what follows: the border moves down, or the whole goes [merge existing]',
  (world) => {
    world.map(2, 4)
    world.map(6, 3, 'rwx')
    world.protect(4, 2, 'rwx')
    assert.deepEqual(world.shown(), ['2-4 rw', '4-9 rwx'])
    world.protect(2, 2, 'rwx')
    assert.deepEqual(world.shown(), ['2-9 rwx'])
    holdsOwnPages(world, [2, 3, 4, 5, 6, 8])
  },
)

everywhere(
  'a part becomes like what precedes: the border moves up, or the whole goes [merge existing]',
  (world) => {
    world.map(0, 3, 'rwx')
    world.map(3, 4)
    world.protect(3, 2, 'rwx')
    assert.deepEqual(world.shown(), ['0-5 rwx', '5-7 rw'])
    world.protect(5, 2, 'rwx')
    assert.deepEqual(world.shown(), ['0-7 rwx'])
    holdsOwnPages(world, [0, 2, 3, 4, 5, 6])
  },
)

everywhere('what lies between two that are like it makes one of all three [merge existing]', (world) => {
  world.map(0, 3, 'rwx')
  world.map(3, 4)
  world.map(7, 2, 'rwx')
  world.protect(3, 4, 'rwx')
  assert.deepEqual(world.shown(), ['0-9 rwx'])
  holdsOwnPages(world, [0, 3, 6, 7, 8])
})

everywhere(
  'a part that touches neither end joins nothing, whatever lies beside [merge existing]',
  (world) => {
    world.map(0, 2, 'r')
    world.map(2, 6)
    world.map(8, 2, 'r')
    world.protect(4, 2, 'r')
    assert.deepEqual(world.shown(), ['0-2 r', '2-4 rw', '4-6 r', '6-8 rw', '8-10 r'])
    holdsOwnPages(world, [1, 2, 4, 5, 7, 9])
  },
)

everywhere('a hole of one page keeps two apart, and its being filled joins all', (world) => {
  world.map(0, 2)
  world.map(3, 2)
  world.space.munmap(at(1), PAGE)
  world.map(2, 1)
  assert.deepEqual(world.shown(), ['0-1 rw', '2-5 rw'])
  world.map(1, 1)
  assert.deepEqual(world.shown(), ['0-5 rw'])
})

/** Anonymous memory touched while it is of its own kind, which then becomes like the rest. */
function touchedApart(space: AddressSpace, page: number, pages: number): void {
  mapAt(space, page, pages, { protection: 'rw' })
  space.madvise(at(page), pages * PAGE, 'dontfork')
  space.writeUint8(at(page), page + 1)
  space.madvise(at(page), pages * PAGE, 'dofork')
}

everywhere('neighbours that were touched apart stay apart [anon_vma non-mergeable]', ({ space }) => {
  mapAt(space, 0, 2)
  space.writeUint8(at(0), 1)
  touchedApart(space, 3, 2)
  assert.deepEqual(shape(space, ARENA), ['0-2 rw', '3-5 rw'])
  // What is new between them goes to the first.
  mapAt(space, 2, 1)
  assert.deepEqual(shape(space, ARENA), ['0-3 rw', '3-5 rw'])
  space.writeUint8(at(2), 3)
  // The same of a mapping that was there before.
  touchedApart(space, 8, 1)
  mapAt(space, 7, 1, { protection: 'r' })
  mapAt(space, 6, 1)
  space.writeUint8(at(6), 7)
  space.mprotect(at(7), PAGE, 'rw')
  assert.deepEqual(shape(space, ARENA).slice(2), ['6-8 rw', '8-9 rw'])
  assert.deepEqual(
    [0, 2, 3, 6, 8].map((page) => space.readUint8(at(page))),
    [1, 3, 4, 7, 9],
  )
})

/** A child has what was written: whoever takes pages in knows afterwards that they are there. */
function isInherited(space: AddressSpace, written: readonly number[]): void {
  const child = space.fork()
  assert.deepEqual(
    written.map((page) => child.readUint8(at(page))),
    written.map((page) => page + 1),
  )
  child.destroy()
}

everywhere(
  'touched memory joins memory that was never touched, on either side [dup_anon_vma]',
  ({ space }) => {
    // New between an untouched and a touched one.
    mapAt(space, 0, 1)
    mapAt(space, 2, 1)
    space.writeUint8(at(2), 3)
    mapAt(space, 1, 1)
    assert.deepEqual(shape(space, ARENA), ['0-3 rw'])
    isInherited(space, [2])
    // Into the one before it, of which nothing was touched.
    mapAt(space, 4, 1)
    mapAt(space, 5, 2, { protection: 'rwx' })
    space.writeUint8(at(5), 6)
    space.writeUint8(at(6), 7)
    space.mprotect(at(5), 2 * PAGE, 'rw')
    assert.deepEqual(shape(space, ARENA), ['0-3 rw', '4-7 rw'])
    isInherited(space, [2, 5, 6])
  },
)

everywhere(
  'so it does where only a part of it joins, which becomes touched then [dup_anon_vma]',
  ({ space }) => {
    mapAt(space, 0, 2)
    mapAt(space, 2, 3, { protection: 'rwx' })
    for (const page of [2, 3, 4]) space.writeUint8(at(page), page + 1)
    space.mprotect(at(2), PAGE, 'rw')
    assert.deepEqual(shape(space, ARENA), ['0-3 rw', '3-5 rwx'])
    isInherited(space, [2, 3, 4])
    mapAt(space, 5, 2)
    space.mprotect(at(4), PAGE, 'rw')
    assert.deepEqual(shape(space, ARENA), ['0-3 rw', '3-4 rwx', '4-7 rw'])
    isInherited(space, [2, 3, 4])
    space.mprotect(at(3), PAGE, 'rw')
    assert.deepEqual(shape(space, ARENA), ['0-7 rw'])
    isInherited(space, [2, 3, 4])
  },
)

everywhere('a mapping that grows up to the next becomes one with it [merge extend]', (world) => {
  world.map(0, 1)
  world.map(4, 1)
  assert.equal(world.space.mremap(at(0), PAGE, 4 * PAGE), at(0))
  assert.deepEqual(world.shown(), ['0-5 rw'])
  // Not where the file goes on otherwise.
  world.map(8, 1)
  world.map(10, 1, 'rw', 11)
  world.space.mremap(at(8), PAGE, 2 * PAGE)
  assert.deepEqual(world.shown(), ['0-5 rw', '8-10 rw', '10-11 rw from 11'])
})

everywhere('what is moved joins where it comes to lie, if it belongs there [copy_vma]', (world) => {
  world.map(0, 1)
  world.map(2, 2)
  world.map(8, 1, 'rw', 1)
  world.map(12, 1, 'rw', 4)
  const move = (from: number, to: number): number =>
    world.space.mremap(at(from), PAGE, PAGE, { mayMove: true, fixed: at(to) })
  move(12, 1)
  assert.deepEqual(world.shown(), ['0-1 rw', '1-2 rw from 4', '2-4 rw', '8-9 rw from 1'])
  move(1, 4)
  move(8, 1)
  assert.deepEqual(world.shown(), ['0-5 rw'])
  holdsOwnPages(world, [0, 1, 2, 3, 4])
})

everywhere(
  'memory that was touched belongs where it was touched, and joins there only [copy_vma]',
  ({ space }) => {
    mapAt(space, 0, 3)
    for (const page of [0, 1, 2]) space.writeUint8(at(page), page + 1)
    const move = (from: number, to: number): number =>
      space.mremap(at(from), PAGE, PAGE, { mayMove: true, fixed: at(to) })
    move(1, 6)
    mapAt(space, 7, 1)
    assert.deepEqual(shape(space, ARENA), ['0-1 rw', '2-3 rw', '6-7 rw', '7-8 rw'])
    move(6, 1)
    assert.deepEqual(shape(space, ARENA), ['0-3 rw', '7-8 rw'])
    isInherited(space, [0, 1, 2])
  },
)

everywhere('the heap grows as one mapping beside its like [expand only]', ({ space }) => {
  space.setBrk(ARENA)
  space.brk(at(1))
  mapAt(space, 3, 1)
  // The break keeps a page free above it, so that the two meet through a mapping.
  space.brk(at(2))
  mapAt(space, 2, 1)
  assert.deepEqual(shape(space, ARENA), ['0-4 rw'])
})
