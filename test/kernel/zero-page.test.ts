// What a read fault on private anonymous memory brings in: the zero page, or with MM_FORBIDS_ZEROPAGE a page of its own.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  MADV,
  MAP_FIXED,
  MM_ANON_PAGES,
  OutOfMemory,
  PAGE_SIZE,
  PTE_DIRTY,
  PTE_FRAME_SHIFT,
  PTE_SPECIAL,
  PTE_WRITE,
  type Task,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
  Vma,
  createMm,
  designs,
  findPteTable,
  findVma,
  forkMm,
  getMmCounter,
  joinMm,
  kernelEnter,
  kernelExit,
  madvise,
  mmap,
  mprotect,
  munmap,
  pteAddress,
  touch,
} from '../../src/kernel/index.ts'
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

/** An address space with four pages from FIRST on that may be accessed so. */
function space(forbidden: boolean, allowed: number, design = 'classic', frames = 256): Space {
  const { tasks } = testMachine({ design, frames, config: { MM_FORBIDS_ZEROPAGE: forbidden } })
  const task = tasks[0]!
  const mm = inside(task, () => createMm(task, 65530, 2048))
  inside(task, () => joinMm(task, mm))
  assert.equal(
    inside(task, () => mmap(task, mm, FIRST, 4, allowed, MAP_FIXED, 0, 0)),
    FIRST,
  )
  return { task, mm }
}

/** Accesses a page, and tells whether without the mmap lock, if it faulted. */
function access({ task, mm }: Space, page: number, kind: number): 'none' | 'locked' | 'speculative' {
  task.firstFaultError = -1
  touch(task, mm, page * PAGE_SIZE, kind)
  if (task.firstFaultError === -1) return 'none'
  return task.lastFaultSpeculative ? 'speculative' : 'locked'
}

function entryOf({ task, mm }: Space, page: number): number {
  const table = inside(task, () => findPteTable(task, mm, page))
  return table === 0 ? 0 : task.heap[pteAddress(table, page)]!
}
