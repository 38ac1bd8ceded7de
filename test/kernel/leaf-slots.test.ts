// What a fault finds in the slots of a page table, what closes them, and what a fault does without the mmap lock.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCESS_READ,
  ACCESS_WRITE,
  BusError,
  MAP_FIXED,
  LEAF_SLOTS,
  MADV,
  MREMAP_DONTUNMAP,
  MREMAP_MAYMOVE,
  Mm,
  PAGE_SIZE,
  SegmentationFault,
  type Task,
  VM_EXEC,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  allVmEvents,
  createFile,
  createMm,
  forkMm,
  joinMm,
  kernelEnter,
  kernelExit,
  leaveMm,
  madvise,
  mincore,
  mmap,
  mprotect,
  mremap,
  munmap,
  storeUint8,
  loadUint8,
  touch,
  touchByKernel,
  truncateFile,
} from '../../src/kernel/index.ts'
import { ENOMEM } from '../../src/kernel/mm/errno.ts'
import { testMachine } from './harness.ts'

const FIRST = 0x1000
const RW = VM_READ | VM_WRITE

function inside<Result>(task: Task, body: () => Result): Result {
  kernelEnter(task)
  const result = body()
  kernelExit(task)
  return result
}

function space(): { task: Task; mm: number } {
  const task = testMachine({ design: 'leaf-slots' }).tasks[0]!
  const mm = inside(task, () => {
    const made = createMm(task, 65530, 2048)
    joinMm(task, made)
    return made
  })
  return { task, mm }
}

function map(task: Task, mm: number, page: number, pages: number, flags = RW, file = 0): void {
  assert.equal(
    inside(task, () => mmap(task, mm, page, pages, flags, MAP_FIXED, file, 0)),
    page,
  )
}

/** What `body` has added to the counters of slots and of faults with the mmap lock. */
function counted(task: Task, body: () => void): { hit: number; fill: number; locked: number } {
  const before = allVmEvents(task)
  body()
  const after = allVmEvents(task)
  const more = (name: string): number => after[name]! - before[name]!
  return { hit: more('leaf_slot_hit'), fill: more('leaf_slot_fill'), locked: more('classic_fault') }
}

describe('a slot of a page table', () => {
  it('needs no mmap lock for the first write in a mapping, which takes over the anon_vma of its neighbour', () => {
    const { task, mm } = space()
    map(task, mm, FIRST, 1)
    const write = (page: number): unknown => touch(task, mm, page * PAGE_SIZE, ACCESS_WRITE)
    write(FIRST)
    map(task, mm, FIRST + 1, 1, RW | VM_EXEC)
    const before = allVmEvents(task)
    write(FIRST + 1)
    const after = allVmEvents(task)
    for (const name of ['mmap_lock_read', 'mmap_lock_write', 'classic_fault'])
      assert.equal(after[name], before[name], name)
    // One that was made anew would keep them apart.
    const { heap } = task
    assert.equal(heap[mm + Mm.mapCount], 2)
    assert.equal(
      inside(task, () => mprotect(task, mm, FIRST + 1, FIRST + 2, RW)),
      0,
    )
    assert.equal(heap[mm + Mm.mapCount], 1)
  })

  it('is filled by the first fault and serves the next ones', () => {
    const { task, mm } = space()
    map(task, mm, FIRST, 8)
    const write = (page: number): unknown => touch(task, mm, page * PAGE_SIZE, ACCESS_WRITE)
    assert.deepEqual(
      counted(task, () => write(FIRST)),
      { hit: 0, fill: 1, locked: 0 },
    )
    const next = counted(task, () => [1, 2, 3].forEach((page) => write(FIRST + page)))
    assert.deepEqual(next, { hit: 3, fill: 0, locked: 0 })
  })

  it('stays as the mapping grows, and speaks of what is new', () => {
    const { task, mm } = space()
    map(task, mm, FIRST, 2)
    touch(task, mm, FIRST * PAGE_SIZE, ACCESS_WRITE)
    map(task, mm, FIRST + 2, 2)
    const old = counted(task, () => touch(task, mm, (FIRST + 1) * PAGE_SIZE, ACCESS_WRITE))
    assert.deepEqual(old, { hit: 1, fill: 0, locked: 0 })
    const fresh = counted(task, () => touch(task, mm, (FIRST + 2) * PAGE_SIZE, ACCESS_WRITE))
    assert.deepEqual(fresh, { hit: 1, fill: 0, locked: 0 })
    // Where mprotect makes a neighbour part of it too; but not of what lies in another table.
    map(task, mm, FIRST - 1, 1)
    map(task, mm, FIRST + 4, 2, VM_READ)
    inside(task, () => mprotect(task, mm, FIRST + 4, FIRST + 6, RW))
    const beside = counted(task, () =>
      [FIRST - 1, FIRST + 4].forEach((page) => touch(task, mm, page * PAGE_SIZE, ACCESS_WRITE)),
    )
    assert.equal(task.heap[mm + Mm.mapCount], 1)
    assert.deepEqual(beside, { hit: 1, fill: 1, locked: 0 })
  })

  it('speaks of all of a mapping from which mremap has moved pages, and which it leaves there', () => {
    const { task, mm } = space()
    const file = inside(task, () => createFile(task, 16, 4096, 0))
    map(task, mm, FIRST, 16, VM_READ | VM_SHARED, file)
    const read = (page: number): void => void loadUint8(task, mm, page * PAGE_SIZE)
    const readAll = (): void => {
      for (let page = FIRST; page < FIRST + 16; page++) read(page)
    }
    readAll()
    const flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP
    const moved = inside(task, () => mremap(task, mm, FIRST + 8, 1, 1, flags, 0))
    assert.ok(moved > 0)
    // One fault with a slot for the whole mapping maps its pages around, those in front of the place included.
    inside(task, () => madvise(task, mm, FIRST, FIRST + 16, MADV.dontneed))
    assert.deepEqual(counted(task, readAll), { hit: 1, fill: 0, locked: 0 })
  })

  it('is filled by mmap where the table is there, in the place of the oldest if need be', () => {
    const { task, mm } = space()
    map(task, mm, FIRST, 2, VM_READ)
    const read = (page: number): unknown => touch(task, mm, page * PAGE_SIZE, ACCESS_READ)
    read(FIRST)
    for (let n = 1; n < LEAF_SLOTS; n++) map(task, mm, FIRST + 8 * n, 2, VM_READ)
    const later = counted(task, () => {
      for (let n = 1; n < LEAF_SLOTS; n++) read(FIRST + 8 * n)
    })
    assert.deepEqual(later, { hit: LEAF_SLOTS - 1, fill: 0, locked: 0 })
    map(task, mm, FIRST + 8 * LEAF_SLOTS, 2, VM_READ)
    assert.deepEqual(
      counted(task, () => read(FIRST + 8 * LEAF_SLOTS)),
      { hit: 1, fill: 0, locked: 0 },
    )
    assert.deepEqual(
      counted(task, () => read(FIRST + 1)),
      { hit: 0, fill: 1, locked: 0 },
    )
  })

  it('is asked whether the guess of a thread is right, which needs no mmap lock where it is not', () => {
    const [first, second] = testMachine({ cpus: 2, design: 'leaf-slots' }).tasks as [Task, Task]
    const mm = inside(first, () => createMm(first, 65530, 2048))
    for (const task of [first, second]) inside(task, () => joinMm(task, mm))
    map(first, mm, FIRST, 4)
    map(first, mm, FIRST + 8, 1, VM_READ)
    const write = (page: number): unknown => touch(first, mm, page * PAGE_SIZE, ACCESS_WRITE)
    write(FIRST)
    inside(second, () => munmap(second, mm, FIRST, FIRST + 4))
    map(second, mm, FIRST, 4, RW | VM_EXEC)
    assert.deepEqual(
      counted(first, () => write(FIRST + 1)),
      { hit: 0, fill: 1, locked: 0 },
    )
    assert.deepEqual(
      counted(first, () => write(FIRST + 2)),
      { hit: 1, fill: 0, locked: 0 },
    )
    inside(second, () => mprotect(second, mm, FIRST, FIRST + 4, VM_READ))
    assert.throws(() => write(FIRST + 3), SegmentationFault)
  })

  it('is closed by mprotect and munmap as far as they reach', () => {
    const { task, mm } = space()
    map(task, mm, FIRST, 6)
    map(task, mm, FIRST + 8, 4, VM_READ)
    touch(task, mm, FIRST * PAGE_SIZE, ACCESS_WRITE)
    inside(task, () => munmap(task, mm, FIRST + 8, FIRST + 12))
    assert.equal(counted(task, () => touch(task, mm, (FIRST + 1) * PAGE_SIZE, ACCESS_WRITE)).hit, 1)
    inside(task, () => mprotect(task, mm, FIRST + 4, FIRST + 6, VM_READ))
    // What is left of it is as true as it was, and for what mprotect has changed, it has filled one.
    const rest = counted(task, () =>
      [FIRST + 2, FIRST + 4].forEach((page) => touch(task, mm, page * PAGE_SIZE, ACCESS_READ)),
    )
    assert.deepEqual(rest, { hit: 2, fill: 0, locked: 0 })
    inside(task, () => munmap(task, mm, FIRST, FIRST + 6))
    const gone = counted(task, () =>
      assert.throws(() => touch(task, mm, FIRST * PAGE_SIZE, ACCESS_WRITE), SegmentationFault),
    )
    assert.deepEqual(gone, { hit: 0, fill: 0, locked: 1 })
  })

  it('is closed by fork where the mapping has pages of its own, and stays where it has none', () => {
    const { task, mm } = space()
    const file = inside(task, () => createFile(task, 4, PAGE_SIZE, 0))
    map(task, mm, FIRST, 4)
    map(task, mm, FIRST + 8, 4, VM_READ, file)
    touch(task, mm, FIRST * PAGE_SIZE, ACCESS_WRITE)
    touch(task, mm, (FIRST + 8) * PAGE_SIZE, ACCESS_READ)
    inside(task, () => forkMm(task, mm))
    const own = counted(task, () => touch(task, mm, (FIRST + 1) * PAGE_SIZE, ACCESS_WRITE))
    assert.deepEqual(own, { hit: 0, fill: 1, locked: 0 })
    const read = counted(task, () => touch(task, mm, (FIRST + 9) * PAGE_SIZE, ACCESS_READ))
    assert.deepEqual(read, { hit: 1, fill: 0, locked: 0 })
  })

  it('need not be there for mincore and for calls that bring pages in, which take no mmap lock either', () => {
    const { task, mm } = space()
    const file = inside(task, () => createFile(task, 4, PAGE_SIZE, 0))
    map(task, mm, FIRST, 4)
    map(task, mm, FIRST + 8, 4, RW | VM_SHARED, file)
    const resident = new Uint8Array(4)
    const lookAt = (page: number): number => mincore(task, mm, page, page + 4, resident)
    const before = allVmEvents(task)
    inside(task, () => {
      assert.equal(madvise(task, mm, FIRST + 1, FIRST + 3, MADV['populate-write']), 0)
      assert.equal(madvise(task, mm, FIRST + 8, FIRST + 9, MADV['populate-read']), 0)
      assert.equal(lookAt(FIRST), 0)
      assert.deepEqual([...resident], [0, 1, 1, 0])
      assert.equal(lookAt(FIRST + 8), 0)
      assert.deepEqual([...resident], [1, 0, 0, 0])
    })
    const after = allVmEvents(task)
    for (const name of ['mmap_lock_read', 'mmap_lock_write', 'classic_fault'])
      assert.equal(after[name], before[name], name)
    // Pages of more than one mapping are left to the lock.
    inside(task, () => assert.equal(lookAt(FIRST + 2), -ENOMEM))
    assert.equal(allVmEvents(task)['mmap_lock_read'], after['mmap_lock_read']! + 1)
  })

  it('serves faults that the kernel takes, and pages of files that are not there yet', () => {
    const { task, mm } = space()
    const file = inside(task, () => createFile(task, 4, PAGE_SIZE, 0))
    map(task, mm, FIRST, 2)
    map(task, mm, FIRST + 8, 4, RW | VM_SHARED, file)
    const faults = counted(task, () => {
      assert.ok(touchByKernel(task, mm, FIRST * PAGE_SIZE, ACCESS_WRITE) >= 0)
      touch(task, mm, (FIRST + 8) * PAGE_SIZE, ACCESS_WRITE)
      touch(task, mm, (FIRST + 9) * PAGE_SIZE, ACCESS_READ)
    })
    assert.equal(faults.locked, 0)
  })
})

describe('the flush of an address space by a CPU that is no user of it', () => {
  it('reaches the only user', () => {
    const [first, second] = testMachine({ cpus: 2 }).tasks as [Task, Task]
    const mm = inside(first, () => createMm(first, 65530, 2048))
    const file = inside(first, () => createFile(first, 2, PAGE_SIZE, 0))
    inside(first, () => joinMm(first, mm))
    map(first, mm, FIRST, 2, RW | VM_SHARED, file)
    inside(second, () => joinMm(second, mm))
    inside(first, () => leaveMm(first, mm))
    storeUint8(second, mm, (FIRST + 1) * PAGE_SIZE, 7)
    assert.equal(loadUint8(second, mm, (FIRST + 1) * PAGE_SIZE), 7)
    inside(first, () => truncateFile(first, file, 1, PAGE_SIZE))
    assert.throws(() => loadUint8(second, mm, (FIRST + 1) * PAGE_SIZE), BusError)
  })
})
