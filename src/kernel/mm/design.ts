// What a design of speculative page faults has to say.
//
// A design is a way to find the VMA without the mmap lock, to keep it alive, to notice that it changed, and to
// commit. The rest of the fault is written once, in the handlers, which reach the page table only through the commit
// primitive. The hooks do nothing unless a design overrides them; the classic design overrides none.

import type { FaultContext } from './fault-context.ts'
import { VM_FAULT_RETRY } from './fault-context.ts'
import type { Task } from './task.ts'
import { vmAreaFreeNow } from './vma.ts'

/** Where a design comes from and what it is made of. */
export interface DesignDescription {
  readonly name: string
  readonly year: number
  readonly author: string
  /** The published source: series, version, message-id. */
  readonly source: string
  readonly lookup: string
  readonly lifetime: string
  readonly validation: string
  readonly commit: string
  /** What a speculative fault writes to shared memory besides the page, its entry and the entry's lock. */
  readonly sharedWrites: readonly string[]
}

export abstract class Design {
  abstract readonly description: DesignDescription
  /** Whether it tries faults without the mmap lock at all, and so needs SPECULATIVE_PAGE_FAULT. */
  readonly speculates: boolean = false
  /** Whether VMAs are kept in a range tree and not in a red-black tree. */
  readonly rangeTree: boolean = false

  /**
   * Tries to handle the fault of `cpu.fault` (mm, page and flags are set) without the mmap lock. Returns
   * VM_FAULT_RETRY when the classic path has to do it, else the result of the handlers. Nothing may be left behind
   * when it gives up (invariant I11).
   */
  speculativeFault(_cpu: Task, _errorCode: number): number {
    return VM_FAULT_RETRY
  }

  /**
   * `pte_map_lock` of a speculative fault: locks the pte table that covers the page, when what the fault has seen
   * still holds. Returns false when it does not; then nothing is locked.
   */
  pteMapLock(_cpu: Task, _fault: FaultContext): boolean {
    return false
  }

  /** The mmap lock was just taken for write. */
  mmapWriteLocked(_cpu: Task, _mm: number): void {}
  /** The mmap lock, held for write, is about to be released or downgraded. */
  mmapWriteUnlocking(_cpu: Task, _mm: number): void {}
  /** Fields of a linked VMA are about to change, or its pages to be unmapped. */
  vmaWriteBegin(_cpu: Task, _vma: number): void {}
  vmaWriteEnd(_cpu: Task, _vma: number): void {}
  /** A VMA is in the tree now. */
  vmaLinked(_cpu: Task, _vma: number): void {}
  /** A VMA has left the tree. */
  vmaUnlinked(_cpu: Task, _vma: number): void {}
  /** Nobody who holds the mmap lock refers to the VMA any more. */
  freeVma(cpu: Task, vma: number): void {
    vmAreaFreeNow(cpu, vma)
  }
  /** The page tables of the pages [start, end) are about to be taken away. The mmap lock is held, for read or write. */
  pageTablesFreeing(_cpu: Task, _mm: number, _start: number, _end: number): void {}
  /** mremap has linked the destination, whose entries are not there yet, and is about to move them. */
  mremapBegin(_cpu: Task, _from: number, _to: number): void {}
  /** The entries have moved and the TLBs are flushed. */
  mremapEnd(_cpu: Task, _from: number, _to: number): void {}
  /** fork is about to write-protect the entries of a VMA of the parent. */
  forkBegin(_cpu: Task, _vma: number): void {}
  /** fork has flushed the TLBs of the parent. */
  forkEnd(_cpu: Task, _mm: number): void {}
}
