// `anon_vma`: VMAs that may contain the same anonymous pages share one.
//
// Two VMAs merge only when they have the same anon_vma or when one of them has none; so it decides which neighbours
// stay apart. The first fault that needs one makes it, in Linux under the mmap lock: the fault looks whether it can
// share a neighbour's, and so reads VMAs that a speculative fault has no right to touch (race R23, invariant I12).

import { layout } from '../machine/layout.ts'
import { slabAlloc, slabFree } from '../memory/slab.ts'
import { CACHE_ANON_VMA } from '../mm/caches.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { refcountDecAndTest, refcountInc } from '../sync/refcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { VM_ACCESS_FLAGS, Vma, vmaPages } from './vma.ts'

export const ANON_VMA_WORDS = 16
export const AnonVma = layout('anon_vma', ANON_VMA_WORDS, {
  /** VMAs that have it. */
  refcount: 0,
  /** 1 if fork made it: then its VMA is linked to the anon_vma of the parent too. */
  forked: 1,
})

/**
 * `anon_vma_prepare`: gives `vma` an anon_vma if it has none. Returns false when there is no memory. The caller holds
 * the mmap lock.
 */
export function anonVmaPrepare(cpu: Task, vma: number): boolean {
  const { heap } = cpu
  if (Atomics.load(heap, vma + Vma.anonVma) !== 0) return true
  const mm = heap[vma + Vma.vmMm]
  const shared = findMergeableAnonVma(cpu, vma)
  const anonVma = shared !== 0 ? shared : allocAnonVma(cpu)
  if (anonVma === 0) return false
  spinLock(cpu, mm + Mm.pageTableLock)
  const won = setFirstAnonVma(cpu, vma, anonVma)
  spinUnlock(cpu, mm + Mm.pageTableLock)
  if (!won && shared === 0) slabFree(cpu, CACHE_ANON_VMA, anonVma)
  return true
}

/**
 * The same for a fault that does not hold the mmap lock, into `fault.anonVma`. It reads the neighbours under the lock
 * of the upper page tables, and only while no writer has the mmap lock: a writer passes through that lock before it
 * changes anything (race R23). Returns false if there is a writer, if the VMA has changed, or if there is no memory.
 */
export function anonVmaPrepareUnlocked(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const { mm, vma } = fault
  const fresh = allocAnonVma(cpu)
  if (fresh === 0) return false
  let isUsed = false
  spinLock(cpu, mm + Mm.pageTableLock)
  const stands = Atomics.load(heap, mm + Mm.layoutChanging) === 0 && cpu.design.vmaStands(cpu, fault)
  if (stands) {
    const shared = findMergeableAnonVma(cpu, vma)
    isUsed = setFirstAnonVma(cpu, vma, shared !== 0 ? shared : fresh) && shared === 0
    fault.anonVma = Atomics.load(heap, vma + Vma.anonVma)
  }
  spinUnlock(cpu, mm + Mm.pageTableLock)
  if (!isUsed) slabFree(cpu, CACHE_ANON_VMA, fresh)
  return stands
}

function allocAnonVma(cpu: Task): number {
  const anonVma = slabAlloc(cpu, CACHE_ANON_VMA)
  if (anonVma === 0) return 0
  cpu.heap[anonVma + AnonVma.refcount] = 0
  cpu.heap[anonVma + AnonVma.forked] = 0
  return anonVma
}

/** Returns false if another fault was faster. The lock of the upper page tables is held. */
function setFirstAnonVma(cpu: Task, vma: number, anonVma: number): boolean {
  const { heap } = cpu
  if (Atomics.load(heap, vma + Vma.anonVma) !== 0) return false
  Atomics.add(heap, anonVma + AnonVma.refcount, 1)
  Atomics.store(heap, vma + Vma.anonVma, anonVma)
  return true
}

/** `find_mergeable_anon_vma`: the anon_vma of a neighbour with which this VMA might merge later, or 0. */
function findMergeableAnonVma(cpu: Task, vma: number): number {
  const next = cpu.heap[vma + Vma.vmNext]
  const anonVma = next === 0 ? 0 : reusableAnonVma(cpu, next, vma, next)
  if (anonVma !== 0) return anonVma
  const previous = cpu.heap[vma + Vma.vmPrev]
  return previous === 0 ? 0 : reusableAnonVma(cpu, previous, previous, vma)
}

/** `reusable_anon_vma`: that of `old`, unless fork made it; `first` and `second` are `old` and the other, in order. */
function reusableAnonVma(cpu: Task, old: number, first: number, second: number): number {
  if (!anonVmaCompatible(cpu, first, second)) return 0
  const anonVma = Atomics.load(cpu.heap, old + Vma.anonVma)
  return anonVma === 0 || cpu.heap[anonVma + AnonVma.forked] !== 0 ? 0 : anonVma
}

/** `anon_vma_compatible`: `first` and `second` adjoin and differ in nothing that mprotect could not make equal. */
function anonVmaCompatible(cpu: Task, first: number, second: number): boolean {
  const { heap } = cpu
  return (
    heap[first + Vma.vmEnd] === heap[second + Vma.vmStart] &&
    heap[first + Vma.vmFile] === heap[second + Vma.vmFile] &&
    ((heap[first + Vma.vmFlags] ^ heap[second + Vma.vmFlags]) & ~VM_ACCESS_FLAGS) === 0 &&
    heap[second + Vma.vmPgoff] === ((heap[first + Vma.vmPgoff] + vmaPages(cpu, first)) | 0)
  )
}

/** `anon_vma_clone`: `vma` gets the anon_vma of `source`, if that has one. The mmap lock is held for write. */
export function anonVmaClone(cpu: Task, vma: number, source: number): void {
  const anonVma = Atomics.load(cpu.heap, source + Vma.anonVma)
  if (anonVma !== 0) refcountInc(cpu, anonVma + AnonVma.refcount)
  Atomics.store(cpu.heap, vma + Vma.anonVma, anonVma)
}

/**
 * `anon_vma_fork`: gives the child's copy of a VMA an anon_vma of its own, for the pages that it will not share; none
 * if `original`, that of the parent, is 0. Returns false when there is no memory.
 */
export function anonVmaFork(cpu: Task, vma: number, original: number): boolean {
  const { heap } = cpu
  Atomics.store(heap, vma + Vma.anonVma, 0)
  if (original === 0) return true
  const anonVma = slabAlloc(cpu, CACHE_ANON_VMA)
  if (anonVma === 0) return false
  heap[anonVma + AnonVma.refcount] = 1
  heap[anonVma + AnonVma.forked] = 1
  Atomics.store(heap, vma + Vma.anonVma, anonVma)
  return true
}

/** `unlink_anon_vmas`: `vma`, which is going away, gives up its anon_vma. */
export function unlinkAnonVma(cpu: Task, vma: number): void {
  const anonVma = Atomics.load(cpu.heap, vma + Vma.anonVma)
  if (anonVma === 0) return
  if (refcountDecAndTest(cpu, anonVma + AnonVma.refcount)) slabFree(cpu, CACHE_ANON_VMA, anonVma)
}

/**
 * `is_mergeable_anon_vma`: whether VMAs with these anon_vmas may merge. A VMA that is linked to the anon_vma of a
 * parent does not merge with one that has none.
 */
export function isMergeableAnonVma(cpu: Task, first: number, second: number): boolean {
  if (first === second) return true
  if (first !== 0 && second !== 0) return false
  return cpu.heap[(first | second) + AnonVma.forked] === 0
}
