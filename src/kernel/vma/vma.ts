// `vm_area_struct`: a run of pages with one protection and one backing.
//
// Fields change only under the mmap lock held for writing (anonVma: under the page table lock). A thread that holds the
// mmap lock reads them plainly. A speculative fault holds nothing, so writers use `Atomics.store` for the fields that
// it reads, and the design checks them afterwards.

import { layout } from '../machine/layout.ts'
import { slabAlloc, slabFree } from '../memory/slab.ts'
import { CACHE_VMA } from '../mm/caches.ts'
import type { Task } from '../mm/task.ts'
import { RCU_FREE_VMA, callRcu, defineRcuCallback } from '../sync/rcu.ts'

export const VMA_WORDS = 48

export const Vma = layout('vm_area_struct', VMA_WORDS, {
  /**
   * Of a file mapping, the place in the file; of anonymous memory, the page number at which it was first mapped. The
   * allocator keeps the link of a free VMA here: a late lookup in type-safe memory reads only the words that follow.
   */
  vmPgoff: 0,
  /** The first page, and the first page behind the VMA. */
  vmStart: 1,
  vmEnd: 2,
  vmFlags: 3,
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

  /** Zijlstra, Dufour: a sequence count, odd while the VMA or its entries change. */
  vmSequence: 16,
  vmSequenceTurns: 17,
  /** 1 when it has left the tree. Linux clears `vm_rb` instead, which here takes no atomic store. */
  detached: 19,
  /** Per-VMA lock: equal to `mm.mmLockSeq` while it is locked for write. */
  vmLockSeq: 18,

  /**
   * How many faults use the VMA, as the design counts them. It begins a cache line of its own, for words that faults
   * write.
   */
  refCount: 32,
  /** The CPU that waits for `refCount`, see sync/rcuwait.ts. */
  waiter: 33,
  /** Per-VMA lock of 2023: a semaphore that faults hold for reading. */
  vmLock: 34,
})

/** What happens to a VMA, for the hooks of the designs. The mmap lock is held for writing, unless noted. */
/** It becomes part of the tree. */
export const VMA_LINK = 0
/** It leaves the tree. */
export const VMA_UNLINK = 1
/** Its borders move: `__vma_adjust`. */
export const VMA_ADJUST = 2
/** Its flags change, and the entries of its pages with them. */
export const VMA_PROTECT = 3
/** It has left the tree and its pages are unmapped. The mmap lock may be held for reading only. */
export const VMA_UNMAP = 4
/** It stays, but its pages are thrown away (MADV_DONTNEED). The mmap lock is held for reading only, or the VMA's. */
export const VMA_ZAP = 5

export const VM_READ = 1
export const VM_WRITE = 2
export const VM_EXEC = 4
export const VM_SHARED = 8
export const VM_GROWSDOWN = 0x100
/** Four bits: the number of the protection key, see pkeys.ts. */
export const VM_PKEY_SHIFT = 9
export const VM_PKEY_FLAGS = 15 << VM_PKEY_SHIFT
/** The pages are to stay in memory: `mlock`. */
export const VM_LOCKED = 0x2000
/** With VM_LOCKED: pages are not brought in, but stay once they are. */
export const VM_LOCKONFAULT = 0x8_0000
export const VM_NORESERVE = 0x20_0000
/** Private memory that was writable once counts as committed memory, and merges only with such. */
export const VM_ACCOUNT = 0x10_0000
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

/**
 * Linux's VM_MAYWRITE, the other way round: a shared mapping through a file that was opened for reading only, which
 * mprotect cannot make writable.
 */
export const VM_NO_MAYWRITE = 0x20

export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC
export const VM_LOCKED_MASK = VM_LOCKED | VM_LOCKONFAULT
/** Mappings that are never merged. */
export const VM_SPECIAL = VM_DONTEXPAND

/** `vm_area_alloc`: a VMA of `mm`, all other fields zero. Returns 0 when the heap is used up. */
export function vmAreaAlloc(cpu: Task, mm: number): number {
  const vma = slabAlloc(cpu, CACHE_VMA)
  if (vma === 0) return 0
  clearVma(cpu, vma, 0)
  Atomics.store(cpu.heap, vma + Vma.vmMm, mm)
  return vma
}

/** `vm_area_dup`: a copy that is in no tree and no list. Returns 0 when the heap is used up. */
export function vmAreaDup(cpu: Task, original: number): number {
  const { heap } = cpu
  const vma = slabAlloc(cpu, CACHE_VMA)
  if (vma === 0) return 0
  const pgoff = heap[original + Vma.vmPgoff]
  vmaSetRange(cpu, vma, heap[original + Vma.vmStart], heap[original + Vma.vmEnd], pgoff)
  heap.copyWithin(vma + Vma.vmFlags, original + Vma.vmFlags, original + Vma.vmMm)
  Atomics.store(heap, vma + Vma.vmMm, heap[original + Vma.vmMm])
  clearVma(cpu, vma, Vma.vmNext)
  return vma
}

/** `vma_set_range`, of a VMA that is in no tree. In type-safe memory a late lookup may still read it. */
export function vmaSetRange(cpu: Task, vma: number, start: number, end: number, pgoff: number): void {
  const { heap } = cpu
  heap[vma + Vma.vmPgoff] = pgoff
  if (cpu.design.typesafeVmas) {
    Atomics.store(heap, vma + Vma.vmStart, start)
    Atomics.store(heap, vma + Vma.vmEnd, end)
    return
  }
  heap[vma + Vma.vmStart] = start
  heap[vma + Vma.vmEnd] = end
}

/**
 * Clears a new VMA from word `from` on. In type-safe memory a late fault may still read the borders of the VMA, which
 * the caller sets next, its lock number and its reference count, which is 0: this leaves these words alone.
 */
function clearVma(cpu: Task, vma: number, from: number): void {
  const { heap } = cpu
  if (!cpu.design.typesafeVmas) {
    heap.fill(0, vma + from, vma + VMA_WORDS)
    return
  }
  if (from === 0) heap[vma + Vma.vmPgoff] = 0
  heap.fill(0, vma + Math.max(from, Vma.vmFlags), vma + Vma.vmLockSeq)
  heap.fill(0, vma + Vma.vmLockSeq + 1, vma + Vma.refCount)
  heap.fill(0, vma + Vma.refCount + 1, vma + VMA_WORDS)
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

/** `linear_page_index`: where in its file, or in its anon_vma, a VMA has the page `page`. In pages. */
export function linearPageIndex(cpu: Task, vma: number, page: number): number {
  return page - cpu.heap[vma + Vma.vmStart] + cpu.heap[vma + Vma.vmPgoff]
}

/** Pages in a VMA. */
export function vmaPages(cpu: Task, vma: number): number {
  return cpu.heap[vma + Vma.vmEnd] - cpu.heap[vma + Vma.vmStart]
}
