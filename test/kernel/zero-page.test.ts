// What a read fault on private anonymous memory brings in: the zero page, or a page of its own (MM_FORBIDS_ZEROPAGE).

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  FaultOutOfMemory,
  MADV,
  MAP_FIXED,
  NO_FAULT,
  MM_ANON_PAGES,
  PAGE_SIZE,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_SPECIAL,
  PTE_WRITE,
  SegmentationFault,
  type Task,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
  Vma,
  createMm,
  designs,
  forkMm,
  getMmCounter,
  joinMm,
  kernelEnter,
  kernelExit,
  loadUint8,
  madvise,
  mmap,
  mprotect,
  munmap,
  storeUint8,
  touch,
} from '../../src/kernel/index.ts'
import { ZERO_FRAME } from '../../src/kernel/machine/frames.ts'
import { findPteTable, pteAddress } from '../../src/kernel/tables/page-table.ts'
import { findVma } from '../../src/kernel/vma/vma-tree.ts'
import { testMachine } from './harness.ts'

const FIRST = 0x1000

interface Space {
  readonly task: Task
  readonly mm: number
}

function inside<Result>(task: Task, body: () => Result): Result {
  kernelEnter(task)
  const result = body()
  kernelExit(task)
  return result
}

/** An address space that two CPUs have joined, with four pages from FIRST on that may be accessed so. */
function space(forbidden: boolean, allowed: number, design = 'classic', frames = 256): Space {
  const { tasks } = testMachine({ cpus: 2, design, frames, config: { MM_FORBIDS_ZEROPAGE: forbidden } })
  const task = tasks[0]!
  const mm = inside(task, () => createMm(task, 65530, 2048))
  // Or a design may find that there is nobody whom the mmap lock would keep waiting.
  for (const each of tasks) inside(each, () => joinMm(each, mm))
  assert.equal(
    inside(task, () => mmap(task, mm, FIRST, 4, allowed, MAP_FIXED, 0, 0)),
    FIRST,
  )
  return { task, mm }
}

/** Accesses a page, and tells whether it faulted, and with the mmap lock or without. */
function access({ task, mm }: Space, page: number, kind: number): 'none' | 'locked' | 'speculative' {
  if (touch(task, mm, page * PAGE_SIZE, kind) === NO_FAULT) return 'none'
  return task.lastFaultSpeculative ? 'speculative' : 'locked'
}

/** The entry of a page, which has a page table. */
function entryOf({ task, mm }: Space, page: number): number {
  return task.heap[pteAddress(findPteTable(task, mm, page), page)]!
}

function frameOf(each: Space, page: number): number {
  return entryOf(each, page) >>> PTE_FRAME_SHIFT
}

function anonymousPages({ task, mm }: Space): number {
  return getMmCounter(task, mm, MM_ANON_PAGES)
}

function hasAnonVma({ task, mm }: Space): boolean {
  return task.heap[findVma(task, mm, FIRST) + Vma.anonVma]! !== 0
}

function forked({ task, mm }: Space): Space {
  const child = inside(task, () => forkMm(task, mm))
  inside(task, () => joinMm(task, child))
  return { task, mm: child }
}

describe('a read of anonymous memory', () => {
  for (const { description, speculates } of designs) {
    it(`maps the zero page, which a write replaces: ${description.name}`, () => {
      const each = space(false, VM_READ | VM_WRITE, description.name)
      access(each, FIRST, ACCESS_READ)
      assert.equal(frameOf(each, FIRST), ZERO_FRAME)
      assert.equal(entryOf(each, FIRST) & (PTE_SPECIAL | PTE_WRITE | PTE_DIRTY), PTE_SPECIAL)
      assert.equal(anonymousPages(each), 0)
      assert.ok(!hasAnonVma(each))
      assert.notEqual(access(each, FIRST, ACCESS_WRITE), 'none')
      assert.notEqual(frameOf(each, FIRST), ZERO_FRAME)
      assert.equal(anonymousPages(each), 1)
    })

    it(`takes a page of its own where the zero page is forbidden: ${description.name}`, () => {
      const each = space(true, VM_READ | VM_WRITE, description.name)
      assert.notEqual(access(each, FIRST, ACCESS_READ), 'none')
      // Whoever makes an anon_vma has the mmap lock, if only for that; or another lock that keeps the neighbours.
      assert.equal(each.task.lastFaultLockedMm, description.name !== 'leaf-slots')
      const own = frameOf(each, FIRST)
      assert.notEqual(own, ZERO_FRAME)
      assert.equal(entryOf(each, FIRST) & (PTE_SPECIAL | PTE_WRITE | PTE_DIRTY), PTE_WRITE | PTE_DIRTY)
      assert.equal(anonymousPages(each), 1)
      assert.ok(hasAnonVma(each))
      assert.equal(access(each, FIRST, ACCESS_WRITE), 'none')
      assert.equal(frameOf(each, FIRST), own)
      // With an anon_vma and a page table, as a write would be handled.
      assert.equal(access(each, FIRST + 1, ACCESS_READ), access(each, FIRST + 2, ACCESS_WRITE))
      assert.equal(each.task.lastFaultSpeculative, speculates)
      assert.equal(anonymousPages(each), 3)
    })
  }
})

describe('where the zero page is forbidden', () => {
  it('what may not be written gets a page that may not either, and keeps it once it may', () => {
    const each = space(true, VM_READ | VM_EXEC)
    access(each, FIRST, ACCESS_EXECUTE)
    const own = frameOf(each, FIRST)
    assert.equal(entryOf(each, FIRST) & (PTE_SPECIAL | PTE_WRITE | PTE_DIRTY), 0)
    assert.equal(anonymousPages(each), 1)
    assert.throws(() => access(each, FIRST, ACCESS_WRITE), SegmentationFault)
    const { task, mm } = each
    assert.equal(
      inside(task, () => mprotect(task, mm, FIRST, FIRST + 4, VM_READ | VM_WRITE)),
      0,
    )
    storeUint8(task, mm, FIRST * PAGE_SIZE, 7)
    assert.equal(frameOf(each, FIRST), own)
  })

  it('a child shares what was only read until one of the two writes', () => {
    const each = space(true, VM_READ | VM_WRITE)
    access(each, FIRST, ACCESS_READ)
    const child = forked(each)
    assert.equal(frameOf(child, FIRST), frameOf(each, FIRST))
    assert.equal(anonymousPages(child), 1)
    storeUint8(child.task, child.mm, FIRST * PAGE_SIZE, 7)
    assert.notEqual(frameOf(child, FIRST), frameOf(each, FIRST))
    assert.equal(loadUint8(each.task, each.mm, FIRST * PAGE_SIZE), 0)
    assert.equal(loadUint8(child.task, child.mm, FIRST * PAGE_SIZE), 7)
  })

  it('a page that held something is read as zeros, also after MADV_DONTNEED', () => {
    const each = space(true, VM_READ | VM_WRITE)
    const { task, mm } = each
    for (let round = 1; round < 4; round++) {
      storeUint8(task, mm, FIRST * PAGE_SIZE + 5, round)
      assert.equal(
        inside(task, () => madvise(task, mm, FIRST, FIRST + 4, MADV.dontneed)),
        0,
      )
      assert.equal(anonymousPages(each), 0)
      assert.equal(loadUint8(task, mm, FIRST * PAGE_SIZE + 5), 0)
      assert.equal(anonymousPages(each), 1)
    }
  })

  it('reads need memory', () => {
    const pages = 512
    for (const forbidden of [false, true]) {
      const each = space(forbidden, VM_READ)
      const { task, mm } = each
      const start = FIRST + 512
      inside(task, () => mmap(task, mm, start, pages, VM_READ, MAP_FIXED, 0, 0))
      const readAll = (): void => {
        for (let page = start; page < start + pages; page++) access(each, page, ACCESS_READ)
      }
      if (forbidden) assert.throws(readAll, FaultOutOfMemory)
      else readAll()
      // What they took is free again.
      assert.equal(
        inside(task, () => munmap(task, mm, start, start + pages)),
        0,
      )
      assert.equal(anonymousPages(each), 0)
      access(each, FIRST, ACCESS_READ)
    }
  })
})
