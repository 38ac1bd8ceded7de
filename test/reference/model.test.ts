// The reference model itself, against what Linux is known to do; each rule by an example that a wrong model would fail.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  IllegalOutcome,
  PAGE_SIZE as PAGE,
  ReferenceCallError,
  ReferenceFault,
  ReferenceFile,
  ReferenceSpace,
} from './model.ts'
import { Random } from './random.ts'

const BASE = 0x100_0000

function make(options = {}): ReferenceSpace {
  return new ReferenceSpace(options)
}

function map(space: ReferenceSpace, page: number, pages: number, options = {}): number {
  return space.mmap(pages * PAGE, { address: BASE + page * PAGE, fixed: true, ...options })
}

const at = (page: number) => BASE + page * PAGE

function fails(errno: string, call: () => unknown): void {
  assert.throws(call, (error: unknown) => error instanceof ReferenceCallError && error.errno === errno)
}

function faults(code: string, call: () => unknown): void {
  assert.throws(call, (error: unknown) => error instanceof ReferenceFault && error.code === code)
}

function shape(space: ReferenceSpace): string[] {
  return space
    .maps()
    .map(({ start, end, protection }) => `${(start - BASE) / PAGE}-${(end - BASE) / PAGE} ${protection}`)
}

describe('the reference model', () => {
  test('merges what Linux merges', () => {
    const space = make()
    map(space, 0, 2)
    map(space, 4, 2)
    assert.deepEqual(shape(space), ['0-2 rw', '4-6 rw'])
    map(space, 2, 2)
    assert.deepEqual(shape(space), ['0-6 rw'])
    space.mprotect(at(1), PAGE, 'r')
    assert.deepEqual(shape(space), ['0-1 rw', '1-2 r', '2-6 rw'])
  })

  test('accepts neighbours apart only where they may have been faulted', () => {
    const space = make()
    map(space, 0, 2)
    map(space, 2, 2)
    const [whole] = space.maps()
    const halves = [
      { ...whole!, end: at(2) },
      { ...whole!, start: at(2) },
    ]
    space.checkMaps([whole!])
    assert.throws(() => space.checkMaps(halves), IllegalOutcome)
    space.access(at(3), 'w')
    space.checkMaps(halves)
  })

  test('notices maps that overlap, miss a page, have one too many, or differ', () => {
    const space = make()
    map(space, 0, 2)
    const [whole] = space.maps()
    for (const wrong of [
      [],
      [{ ...whole!, end: at(1) }],
      [{ ...whole!, end: at(3) }],
      [{ ...whole!, protection: 'r' }],
      [{ ...whole!, shared: true }],
      [{ ...whole!, growsDown: true }],
      [whole!, whole!],
      [{ ...whole!, end: whole!.end + 1 }],
    ]) {
      assert.throws(() => space.checkMaps(wrong), IllegalOutcome)
    }
  })

  test('accepts any legal address and no other', () => {
    const space = make()
    map(space, 0, 2)
    assert.throws(() => space.mmap(PAGE, {}, at(1)), IllegalOutcome)
    assert.throws(() => space.mmap(PAGE, {}, at(5) + 1), IllegalOutcome)
    assert.throws(() => space.mmap(PAGE, {}, 0x1000), IllegalOutcome)
    assert.throws(() => space.mmap(PAGE, { address: at(7) }, at(8)), IllegalOutcome)
    assert.equal(space.mmap(PAGE, { address: at(7) + 5 }, at(7)), at(7))
    assert.equal(space.mmap(PAGE, { address: at(0) }, at(9)), at(9))
  })

  test('stacks grow to the guard gap, over memory without access, and within their limit', () => {
    const space = make({ stackLimit: 600 * PAGE })
    map(space, 0, 1)
    map(space, 500, 1, { growsDown: true })
    faults('SEGV_MAPERR', () => space.access(at(256), 'w'))
    space.access(at(257), 'w')
    assert.deepEqual(shape(space), ['0-1 rw', '257-501 rw'])
    space.mprotect(at(0), PAGE, 'none')
    space.access(at(1), 'r')
    assert.deepEqual(shape(space), ['0-1 none', '1-501 rw'])
    faults('SEGV_MAPERR', () => make().access(at(1), 'r'))
    const small = make({ stackLimit: 4 * PAGE })
    map(small, 500, 1, { growsDown: true })
    small.access(at(497), 'w')
    faults('SEGV_MAPERR', () => small.access(at(496), 'w'))
  })

  test('what was only read is a page of its own where the zero page is forbidden', () => {
    for (const forbidsZeroPage of [false, true]) {
      const space = make({ forbidsZeroPage })
      map(space, 0, 3)
      space.read(at(0), 1, Uint8Array.of(0))
      const pages = (count: number) => ({ least: count, most: count })
      assert.deepEqual(space.anonymousPages(), pages(forbidsZeroPage ? 1 : 0))
      space.access(at(1), 'w')
      assert.deepEqual(space.anonymousPages(), pages(forbidsZeroPage ? 2 : 1))
      const child = space.fork()
      assert.deepEqual(child.resident(at(0), PAGE), [forbidsZeroPage ? true : undefined])
      child.madvise(at(0), 3 * PAGE, 'free')
      child.read(at(0), 1, Uint8Array.of(0))
      assert.deepEqual(child.anonymousPages(), { least: 0, most: forbidsZeroPage ? 2 : 1 })
      space.madvise(at(0), PAGE, 'dontneed')
      assert.deepEqual(space.anonymousPages(), pages(1))
    }
  })

  test('what may only be executed can be read, unless there are protection keys', () => {
    for (const executeOnly of [false, true]) {
      const space = make({ executeOnly })
      map(space, 0, 3)
      space.write(at(0), Uint8Array.of(4))
      space.mprotect(at(0), 3 * PAGE, 'x')
      for (const each of [space, space.fork()]) {
        if (executeOnly) faults('SEGV_PKUERR', () => each.read(at(0), 1))
        else each.read(at(0), 1, Uint8Array.of(4))
        faults(executeOnly ? 'SEGV_PKUERR' : 'SEGV_ACCERR', () => each.access(at(1), 'w'))
        assert.deepEqual(each.resident(at(0), 3 * PAGE), [true, false, false])
        each.access(at(1), 'x')
        assert.deepEqual(each.resident(at(0), 3 * PAGE), [true, true, false])
        assert.equal(each.isReadable(at(0) / PAGE), !executeOnly)
        each.mprotect(at(0), PAGE, 'rx')
        each.read(at(0), 1, Uint8Array.of(4))
      }
    }
  })

  test('private and shared files, the end of a file, and pages given up', () => {
    const space = make()
    const file = new ReferenceFile(1, PAGE + 1, false, new Uint8Array(PAGE + 1).fill(5))
    map(space, 0, 3, { file })
    map(space, 4, 1, { file, shared: true })
    space.read(at(0), 2, Uint8Array.of(5, 5))
    space.write(at(4), Uint8Array.of(6))
    space.read(at(0), 2, Uint8Array.of(6, 5))
    space.write(at(0), Uint8Array.of(7))
    space.write(at(4), Uint8Array.of(8))
    space.read(at(0), 2, Uint8Array.of(7, 5))
    assert.throws(() => space.read(at(0), 2, Uint8Array.of(8, 5)), IllegalOutcome)
    space.read(at(1), 2, Uint8Array.of(5, 0))
    faults('BUS_ADRERR', () => space.read(at(2), 1))
    space.madvise(at(0), 3 * PAGE, 'dontneed')
    space.read(at(0), 2, Uint8Array.of(8, 5))
  })

  test('a page given up lazily is what it was or zero, and never changes its mind once zero', () => {
    const space = make()
    map(space, 0, 1)
    space.write(at(0), Uint8Array.of(9, 9))
    space.madvise(at(0), PAGE, 'free')
    space.read(at(0), 2, Uint8Array.of(9, 9))
    space.read(at(0), 2, Uint8Array.of(0, 0))
    assert.throws(() => space.read(at(0), 2, Uint8Array.of(9, 9)), IllegalOutcome)
    assert.throws(() => space.read(at(0), 2, Uint8Array.of(9, 0)), IllegalOutcome)
  })

  test('calls over holes do what Linux does before it complains', () => {
    const space = make()
    map(space, 0, 2)
    map(space, 3, 1)
    fails('ENOMEM', () => space.mprotect(at(0), 4 * PAGE, 'r'))
    assert.deepEqual(shape(space), ['0-2 r', '3-4 rw'])
    space.write(at(3), Uint8Array.of(1))
    fails('ENOMEM', () => space.madvise(at(0), 4 * PAGE, 'dontneed'))
    space.read(at(3), 1, Uint8Array.of(0))
    space.munmap(at(0), 10 * PAGE)
    assert.deepEqual(shape(space), [])
  })

  test('mremap grows, shrinks, moves, duplicates and refuses', () => {
    const space = make()
    map(space, 0, 2)
    space.write(at(1), Uint8Array.of(3))
    assert.equal(space.mremap(at(0), 2 * PAGE, 4 * PAGE, {}, at(2)), at(0))
    assert.deepEqual(shape(space), ['0-4 rw'])
    fails('EFAULT', () => space.mremap(at(0), 5 * PAGE, 6 * PAGE, {}, at(4)))
    fails('EINVAL', () => space.mremap(at(0), 0, PAGE, { mayMove: true }, at(4)))
    fails('EFAULT', () => space.mremap(at(9), PAGE, 2 * PAGE, {}, at(9)))
    space.mremap(at(1), PAGE, PAGE, { mayMove: true, fixed: at(8) }, at(4))
    assert.deepEqual(shape(space), ['0-1 rw', '2-4 rw', '8-9 rw'])
    space.read(at(8), 1, Uint8Array.of(3))
    faults('SEGV_MAPERR', () => space.read(at(1), 1))
  })

  test('mremap moves several mappings to a given place, and leaves alone what lies where there was a hole', () => {
    const space = make()
    map(space, 0, 1)
    map(space, 2, 2, { protection: 'r' })
    map(space, 8, 4, { protection: 'rx' })
    space.write(at(0), Uint8Array.of(3))
    const move = { mayMove: true, fixed: at(8) }
    fails('EFAULT', () => space.mremap(at(0), 3 * PAGE, 4 * PAGE, move, at(1)))
    fails('EFAULT', () => space.mremap(at(1), 3 * PAGE, 3 * PAGE, move, at(1)))
    assert.equal(space.mremap(at(0), 3 * PAGE, 3 * PAGE, move, at(1)), at(8))
    assert.deepEqual(shape(space), ['3-4 r', '8-9 rw', '9-10 rx', '10-11 r', '11-12 rx'])
    space.read(at(8), 1, Uint8Array.of(3))
  })

  test('a child has what its parent had, for itself where it is private', () => {
    const space = make()
    const file = new ReferenceFile(1, PAGE)
    map(space, 0, 4)
    map(space, 4, 1, { shared: true })
    map(space, 5, 1, { file })
    for (const page of [0, 1, 2, 4, 5]) space.write(at(page), Uint8Array.of(page + 1))
    space.madvise(at(1), PAGE, 'dontfork')
    space.madvise(at(2), PAGE, 'wipeonfork')
    space.setBrk(at(20))
    const child = space.fork()
    assert.deepEqual(shape(child), ['0-1 rw', '2-3 rw', '3-4 rw', '4-5 rw', '5-6 rw'])
    assert.equal(child.brk(), at(20))
    for (const [page, expected] of [
      [0, 1],
      [2, 0],
      [4, 5],
      [5, 6],
    ] as const)
      child.read(at(page), 1, Uint8Array.of(expected))
    faults('SEGV_MAPERR', () => child.read(at(1), 1))
    for (const page of [0, 4, 5]) child.write(at(page), Uint8Array.of(9))
    for (const [page, expected] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [4, 9],
      [5, 6],
    ] as const)
      space.read(at(page), 1, Uint8Array.of(expected))
    assert.deepEqual(child.anonymousPages(), { least: 2, most: 2 })
  })

  test('the break keeps one page free above it', () => {
    const space = make()
    space.setBrk(at(0))
    assert.equal(space.brk(at(2) + 1), at(2) + 1)
    assert.deepEqual(shape(space), ['0-3 rw'])
    map(space, 6, 1)
    assert.equal(space.brk(at(6)), at(2) + 1)
    assert.equal(space.brk(at(5)), at(5))
    assert.equal(space.brk(at(0)), at(0))
    assert.deepEqual(shape(space), ['6-7 rw'])
  })
})

test('the pseudo-random generator is the same everywhere', () => {
  const random = new Random(1)
  const first = [random.next(), random.next(), random.next()]
  const again = new Random(1)
  assert.deepEqual([again.next(), again.next(), again.next()], first)
  assert.notDeepEqual([new Random(2).next()], [first[0]])
  assert.notEqual(Random.derive(1, 2).next(), Random.derive(1, 3).next())
  const counts = [0, 0, 0, 0]
  for (let draw = 0; draw < 4000; draw++) counts[random.below(4)]!++
  for (const count of counts) assert.ok(count > 800 && count < 1200, counts.join(', '))
})
