// A writer that changes the range tree of VMAs, and a reader that walks it under RCU. The reader looks for a page of a
// VMA that stays: it must find it, whatever the writer is doing.

import {
  MAP_FIXED,
  PhysicalMemory,
  Task,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
  Vma,
  bootKernel,
  createMm,
  createPhysicalMemory,
  defaultKernelConfig,
  joinMm,
  kernelEnter,
  kernelExit,
  minimumHeapWords,
  mmap,
  mprotect,
  munmap,
  packKernelConfig,
} from '../../../src/kernel/index.ts'
import { Lespinasse2021 } from '../../../src/kernel/designs/lespinasse-2021.ts'
import { findVma, findVmaRcu } from '../../../src/kernel/vma/vma-tree.ts'
import { rcuReadLock, rcuReadUnlock } from '../../../src/kernel/sync/rcu.ts'

/** VMAs are freed after a grace period, and kept in a range tree. */
class RangeTreeDesign extends Lespinasse2021 {
  override readonly rangeTree = true
}

/** First page of the VMA of index `index`; each has two pages, and two are free behind it. */
export const at = (index: number): number => 0x1000 + 4 * index

export type Call = (task: Task, mm: number) => void

export const map =
  (index: number, pages = 2): Call =>
  (task, mm) => {
    mmap(task, mm, at(index), pages, VM_READ, MAP_FIXED, 0, 0)
  }

/** The same with other permissions, so that it is not merged. */
export const mapOther =
  (index: number): Call =>
  (task, mm) => {
    mmap(task, mm, at(index), 2, VM_READ | VM_EXEC, MAP_FIXED, 0, 0)
  }

export const unmap =
  (index: number, pages = 2): Call =>
  (task, mm) => {
    munmap(task, mm, at(index), at(index) + pages)
  }

/** The last page of a VMA becomes writable, so that it is split. */
export const split =
  (index: number): Call =>
  (task, mm) => {
    mprotect(task, mm, at(index) + 1, at(index) + 2, VM_READ | VM_WRITE)
  }

/** A VMA, `length` pages long, takes in pages behind it. */
export const extend =
  (index: number, pages: number, length = 2): Call =>
  (task, mm) => {
    mmap(task, mm, at(index) + length, pages, VM_READ, MAP_FIXED, 0, 0)
  }

interface State {
  readonly writer: Task
  readonly reader: Task
  found: number
}

/**
 * What the writer prepares, what it does beside the reader, and the page that the reader looks for. It must find what
 * was there before or what is there afterwards; a VMA that stays, in any case.
 */
export function make(prepare: readonly Call[], calls: readonly Call[], page: number): unknown {
  const frames = 16
  const heapWords = minimumHeapWords(2, frames)
  const heap = new Int32Array(new SharedArrayBuffer(heapWords * 4))
  const config = packKernelConfig({ ...defaultKernelConfig, SLUB_DEBUG: true })
  bootKernel(heap, {
    cpuCount: 2,
    frameCount: frames,
    heapWords,
    config,
    rwsemKind: 0,
    design: 0,
    rssBatched: true,
  })
  const memory = new PhysicalMemory(createPhysicalMemory(frames))
  const design = new RangeTreeDesign()
  const cpu = (id: number): Task => new Task(id, heap, memory, design)
  const first = cpu(0)
  kernelEnter(first)
  const mm = createMm(first, 65530, 2048)
  joinMm(first, mm)
  for (const call of prepare) call(first, mm)
  // Not before: with one user, what is freed so far is free, and the state of the CPUs is that of new ones.
  joinMm(cpu(1), mm)
  kernelExit(first)
  const lookUp = (): number => {
    const vma = findVma(first, mm, page)
    return vma !== 0 && heap[vma + Vma.vmStart]! <= page ? vma : 0
  }
  const before = lookUp()
  return {
    /** Whether no call is about the VMA of the page, given the pages that each is about, and it stays. */
    stays: (ranges: readonly (readonly [start: number, end: number])[]): boolean => {
      const writer = cpu(0)
      kernelEnter(writer)
      let stays = before !== 0
      for (const [index, call] of calls.entries()) {
        const [start, end] = ranges[index]!
        if (start < heap[before + Vma.vmEnd]! && heap[before + Vma.vmStart]! < end) stays = false
        call(writer, mm)
        if (lookUp() !== before) stays = false
      }
      return stays
    },
    setup: (): State => ({ writer: cpu(0), reader: cpu(1), found: 0 }),
    threads: [
      ({ writer }: State) => {
        kernelEnter(writer)
        for (const call of calls) call(writer, mm)
        kernelExit(writer)
      },
      (state: State) => {
        const { reader } = state
        kernelEnter(reader)
        rcuReadLock(reader)
        state.found = findVmaRcu(reader, mm, page)
        // It can still be read.
        if (state.found !== 0) Atomics.load(heap, state.found + Vma.vmFlags)
        rcuReadUnlock(reader)
        kernelExit(reader)
      },
    ],
    invariant: ({ found }: State) => found === before || found === lookUp(),
  }
}
