// `vm_area_struct`: a run of pages with one protection and one backing.
//
// Fields change only under the mmap lock held for write (anonVma: under the page table lock). Who holds the mmap lock
// reads them plainly. A speculative fault holds nothing, so what it reads is written with `Atomics.store` and checked
// by the design afterwards.

import { layout } from '../machine/layout.ts'
import { RCU_FREE_VMA, callRcu, defineRcuCallback } from '../sync/rcu.ts'
import { CACHE_VMA } from './caches.ts'
import { slabAlloc, slabFree } from './slab.ts'
import type { Task } from './task.ts'

export const VMA_WORDS = 32

export const Vma = layout('vm_area_struct', VMA_WORDS, {
  /** First page, and first page behind. */
  vmStart: 0,
  vmEnd: 1,
  vmFlags: 2,
  /** Of a file mapping, the place in the file; of anonymous memory, the page number at which it was first mapped. */
  vmPgoff: 3,
  vmFile: 4,
  anonVma: 5,
  vmMm: 6,
  vmNext: 7,
  vmPrev: 8,
  rbLeft: 9,
  rbRight: 10,
  /** The parent, and in bit 0 the colour: pointers are multiples of a cache line. */
  rbParentColor: 11,
  /** The largest gap in front of any VMA of this subtree, in pages. */
  rbSubtreeGap: 12,
  rcuHead: 14,
})

export const VM_READ = 1
export const VM_WRITE = 2
export const VM_EXEC = 4
export const VM_SHARED = 8
export const VM_GROWSDOWN = 0x100
export const VM_NORESERVE = 0x20_0000
export const VM_HUGEPAGE = 0x2000_0000
export const VM_NOHUGEPAGE = 0x4000_0000
export const VM_SEQ_READ = 0x8000
export const VM_RAND_READ = 0x1_0000
export const VM_DONTCOPY = 0x2_0000
export const VM_DONTDUMP = 0x400_0000
export const VM_WIPEONFORK = 0x200_0000
export const VM_MERGEABLE = 0x8000_0000 | 0
/** Memory that the kernel made for the program and that fault-around and merging leave alone, such as the vdso. */
export const VM_DONTEXPAND = 0x4_0000

export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC
/** Mappings that are never merged. */
export const VM_SPECIAL = VM_DONTEXPAND

/** `vm_area_alloc`: a VMA of `mm`, all other fields zero. Returns 0 when the heap is used up. */
export function vmAreaAlloc(cpu: Task, mm: number): number {
  const vma = slabAlloc(cpu, CACHE_VMA)
  if (vma === 0) return 0
  cpu.heap.fill(0, vma, vma + VMA_WORDS)
  cpu.heap[vma + Vma.vmMm] = mm
  return vma
}

/** `vm_area_dup`: a copy that is in no tree and no list. Returns 0 when the heap is used up. */
export function vmAreaDup(cpu: Task, original: number): number {
  const { heap } = cpu
  const vma = slabAlloc(cpu, CACHE_VMA)
  if (vma === 0) return 0
  heap.copyWithin(vma, original, original + VMA_WORDS)
  heap.fill(0, vma + Vma.vmNext, vma + VMA_WORDS)
  return vma
}

/** Frees a VMA at once: nobody can still be looking at it. */
export function vmAreaFreeNow(cpu: Task, vma: number): void {
  slabFree(cpu, CACHE_VMA, vma)
}

/** Frees a VMA after a grace period: a speculative fault may still be looking at it. */
export function vmAreaFreeRcu(cpu: Task, vma: number): void {
  callRcu(cpu, vma + Vma.rcuHead, RCU_FREE_VMA)
}

defineRcuCallback<Task>(RCU_FREE_VMA, (cpu, head) => slabFree(cpu, CACHE_VMA, head - Vma.rcuHead))

/** `vma_is_accessible`: some access is allowed. */
export function vmaIsAccessible(vmFlags: number): boolean {
  return (vmFlags & VM_ACCESS_FLAGS) !== 0
}

/** Pages in a VMA. */
export function vmaPages(cpu: Task, vma: number): number {
  return cpu.heap[vma + Vma.vmEnd] - cpu.heap[vma + Vma.vmStart]
}
