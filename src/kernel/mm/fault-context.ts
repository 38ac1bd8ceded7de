// `struct vm_fault`: what the handlers of one fault know.
//
// The fields of the VMA are copies. A locked fault copies them under the mmap lock and a speculative one as its
// design says. What the fault stands on meanwhile is its hold, which the handlers use and never ask for: that lets all
// designs share them.

import type { Cpu } from '../machine/cpu.ts'

/** `FAULT_FLAG_*`. */
export const FAULT_FLAG_WRITE = 1
export const FAULT_FLAG_INSTRUCTION = 2
/** The fault must give a private mapping a page of its own, though nothing is written to it (Linux 6.0). */
export const FAULT_FLAG_UNSHARE = 4
/** The fault has waited for its page before, and begins anew. */
export const FAULT_FLAG_TRIED = 8

/** `vm_fault_t`. */
export const VM_FAULT_OOM = 1
export const VM_FAULT_SIGBUS = 2
export const VM_FAULT_SIGSEGV = 4
export const VM_FAULT_MAJOR = 8
export const VM_FAULT_RETRY = 16
export const VM_FAULT_NOPAGE = 32
/** The fault has released its lock; with VM_FAULT_RETRY, it has to begin anew. */
export const VM_FAULT_DROPPED = 128
/** With VM_FAULT_SIGSEGV: there is a mapping, but it does not allow the access. */
export const VM_FAULT_ACCERR = 64
/** With VM_FAULT_ACCERR: it is the protection key of the mapping that does not allow it. */
export const VM_FAULT_PKUERR = 256
export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV

/**
 * What a fault stands on while it is handled: nothing, the lock of its VMA, or the mmap lock; see fault/hold.ts. Each
 * `cpu` is a Task, which has a fault and so stands above this file.
 */
export interface Hold {
  /** The result of the fault if no frame is free: only a fault that could have slept for one returns VM_FAULT_OOM. */
  readonly outOfMemory: number
  /** The result of the fault if the page that it was about to map is gone. */
  readonly gone: number
  /** Counts a step of a fault that stands on nothing, one of SPF_ATTEMPT_*. */
  countAttempt(cpu: Cpu, event: number): void
  /**
   * `pte_map_lock`: locks the pte table of the fault if what the fault has seen still holds. False: it does not, and
   * the table is not locked; the fault must be retried with the mmap lock.
   */
  lockTable(cpu: Cpu, fault: FaultContext): boolean
  /**
   * `release_fault_lock`: before a sleep. Releases the lock, once in a fault, and returns whether it did: then the
   * fault begins anew after the sleep. Also takes a reference on `file`, unless that is 0, as its mapping may go; the
   * caller drops it.
   */
  release(cpu: Cpu, fault: FaultContext, file: number): boolean
  /**
   * `vmf_anon_prepare`: gives the VMA, which has no anon_vma, one. Returns 0; VM_FAULT_RETRY if that needs the mmap
   * lock and the fault cannot get it (invariant I12); or the result of a fault without memory.
   */
  prepareAnonVma(cpu: Cpu, fault: FaultContext): number
  /**
   * `vmf_can_call_fault`: whether the file may be asked for the page. A file that cannot map around a fault may not
   * know of faults without the mmap lock (since Linux 6.7).
   */
  mayCallFault(cpu: Cpu, fault: FaultContext): boolean
  /** A page of a file is about to be looked up and its content used. False: give up. */
  fileBegin(cpu: Cpu, fault: FaultContext): boolean
  /** What {@link fileBegin} allowed is done. */
  fileEnd(cpu: Cpu, fault: FaultContext): void
  /**
   * A page of the file is about to be looked for, without sleeping: what the fault has seen must hold meanwhile. False:
   * it does not.
   */
  lookupBegin(cpu: Cpu, fault: FaultContext): boolean
  /** What {@link lookupBegin} allowed is done. If the fault has released its hold meanwhile, that is done too. */
  lookupEnd(cpu: Cpu, fault: FaultContext): void
  /** The mapping keeps its file throughout. Otherwise the fault releases its hold before it brings a page in. */
  readonly keepsFile: boolean
  /** Whether a page of a file that is not cached may be brought in. Else it is only looked for. */
  mayMiss(cpu: Cpu): boolean
  /** Whether the fault may sleep for a page of a file. */
  maySleep(cpu: Cpu): boolean
  /**
   * Which pages of the swap area the fault may take: none, those that are in the swap cache, or any, for which it may
   * sleep.
   */
  swapPages(cpu: Cpu): 'never' | 'cached' | 'any'
  /**
   * The entry is no longer the one that the fault saw. Always false if nothing keeps the table, as the entry cannot be
   * read then.
   */
  entryChanged(cpu: Cpu, fault: FaultContext): boolean
  /** A page is about to be copied on write, and the observers of its translation have to be told. False: give up. */
  copyBegin(cpu: Cpu, fault: FaultContext): boolean
  /** What {@link copyBegin} allowed is done, or was given up: then it was not `committed`. */
  copyEnd(cpu: Cpu, fault: FaultContext, committed: boolean): void
}

export class FaultContext {
  mm = 0
  /** The page that was touched. */
  page = 0
  flags = 0
  /** Set before anything else. */
  hold!: Hold

  // The VMA, and its fields as they were when the fault began.
  vma = 0
  vmStart = 0
  vmEnd = 0
  vmFlags = 0
  vmPgoff = 0
  vmFile = 0
  anonVma = 0

  /** The page that the file has for this fault, locked, with a reference. */
  frame = 0
  /** The pte table that covers the page. */
  table = 0
  /** The entry as the walk saw it. */
  originalPte = 0

  /** The design's own: the sequence count at the start and its turns, and the pmd table that the walk went through. */
  sequence = 0
  turns = 0
  pmd = 0
  /** The design's own: what the fault had seen no longer held when it was about to commit. */
  changed = false
  /** The design's own: the fault has looked the mapping up in the tree, and filled a slot with it. */
  filled = false
}
