// What a fault stands on while it is handled: nothing, the lock of its VMA, or the mmap lock.
//
// A fault with the mmap lock, or with the lock of its VMA, finds at its commit what it found at its beginning, and only
// locks the page table. A fault that holds nothing leaves the commit to the design, and gives up if it needs a lock;
// the classic path then repeats it with the mmap lock. There is one object for each hold; a fault changes to another
// when it begins anew.
//
// Locks are taken in one order: the mmap lock, then that of a VMA, since a writer who holds the mmap lock waits for the
// faults in a VMA. A fault that holds the lock of a VMA therefore only tries the mmap lock, and waits for no other lock
// that such a writer may hold.

import { PageTable } from '../machine/pte.ts'
import { getFile, mapsAround } from '../memory/file.ts'
import { type FaultContext, type Hold, VM_FAULT_OOM, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { mmapReadTryLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countSpfEvent } from '../mm/vmstat.ts'
import { spinLock } from '../sync/spinlock.ts'
import { invalidateRangeEnd, invalidateRangeStart } from '../tables/mmu-notifier.ts'
import { pteAddress } from '../tables/page-table.ts'
import { anonVmaPrepare } from '../vma/anon-vma.ts'

/** FAULT_FLAG_SPECULATIVE of the patches: no lock. */
export class NothingHeld implements Hold {
  readonly outOfMemory: number = VM_FAULT_RETRY
  readonly gone: number = VM_FAULT_RETRY
  readonly keepsFile: boolean = true

  countAttempt(cpu: Task, event: number): void {
    countSpfEvent(cpu, event)
  }

  lockTable(cpu: Task, fault: FaultContext): boolean {
    return cpu.design.pteMapLock(cpu, fault)
  }

  release(_cpu: Task, _fault: FaultContext, _file: number): boolean {
    return false
  }

  prepareAnonVma(cpu: Task, fault: FaultContext): number {
    return prepareWithoutMmapLock(cpu, fault)
  }

  mayCallFault(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }

  fileBegin(cpu: Task, fault: FaultContext): boolean {
    return cpu.design.fileFaultBegin(cpu, fault)
  }

  fileEnd(cpu: Task, fault: FaultContext): void {
    cpu.design.fileFaultEnd(cpu, fault)
  }

  lookupBegin(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }

  lookupEnd(_cpu: Task, _fault: FaultContext): void {}

  mayMiss(cpu: Task): boolean {
    return cpu.design.speculatesOnFileMiss
  }

  /** If an RCU read-side section keeps the VMA alive, the fault may not sleep. */
  maySleep(cpu: Task): boolean {
    return cpu.design.speculatesOnFileMiss && cpu.rcuNesting === 0
  }

  swapPages(cpu: Task): 'never' | 'cached' | 'any' {
    return cpu.design.speculatesOnSwap
  }

  entryChanged(_cpu: Task, _fault: FaultContext): boolean {
    return false
  }

  copyBegin(cpu: Task, fault: FaultContext): boolean {
    return cpu.design.copyBegin(cpu, fault)
  }

  copyEnd(cpu: Task, fault: FaultContext, committed: boolean): void {
    cpu.design.copyEnd(cpu, fault, committed)
  }
}

/**
 * While a fault stands on a lock, no thread takes the VMA or its page tables away, or registers an observer, and the
 * fault may sleep.
 */
abstract class LockHeld implements Hold {
  readonly outOfMemory = VM_FAULT_OOM
  /** The program repeats its access, and finds what is there then. */
  readonly gone = 0
  readonly keepsFile = true

  countAttempt(_cpu: Task, _event: number): void {}

  lockTable(cpu: Task, fault: FaultContext): boolean {
    spinLock(cpu, fault.table + PageTable.ptl)
    return true
  }

  abstract release(cpu: Task, fault: FaultContext, file: number): boolean
  abstract prepareAnonVma(cpu: Task, fault: FaultContext): number

  mayCallFault(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }

  fileBegin(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }

  fileEnd(_cpu: Task, _fault: FaultContext): void {}

  lookupBegin(_cpu: Task, _fault: FaultContext): boolean {
    return true
  }

  lookupEnd(_cpu: Task, _fault: FaultContext): void {}

  mayMiss(_cpu: Task): boolean {
    return true
  }

  maySleep(_cpu: Task): boolean {
    return true
  }

  swapPages(_cpu: Task): 'never' | 'cached' | 'any' {
    return 'any'
  }

  entryChanged(cpu: Task, fault: FaultContext): boolean {
    return Atomics.load(cpu.heap, pteAddress(fault.table, fault.page)) !== fault.originalPte
  }

  copyBegin(cpu: Task, fault: FaultContext): boolean {
    invalidateRangeStart(cpu, fault.mm, fault.page, fault.page + 1)
    return true
  }

  copyEnd(cpu: Task, fault: FaultContext, _committed: boolean): void {
    invalidateRangeEnd(cpu, fault.mm)
  }
}

/**
 * FAULT_FLAG_VMA_LOCK of Linux 6.4: the lock of the VMA, for reading. Only faults on anonymous memory have it; those on
 * pages in the swap area take the mmap lock.
 */
class VmaLockKept extends LockHeld {
  override release(_cpu: Task, _fault: FaultContext, _file: number): boolean {
    return false
  }

  override prepareAnonVma(cpu: Task, fault: FaultContext): number {
    return prepareWithoutMmapLock(cpu, fault)
  }

  override swapPages(_cpu: Task): 'never' | 'cached' | 'any' {
    return 'never'
  }
}

/**
 * FAULT_FLAG_VMA_LOCK since Linux 6.10: the lock of the VMA, for reading. The fault releases it before it waits for a
 * page (6.6, 1235ccd05b6d and fdc724d6aa44), and begins anew with the mmap lock.
 */
class VmaLockHeld extends LockHeld {
  override release(cpu: Task, fault: FaultContext, file: number): boolean {
    if (file !== 0) getFile(cpu, file)
    cpu.design.vmaEndRead(cpu, fault.vma)
    return true
  }

  override prepareAnonVma(cpu: Task, fault: FaultContext): number {
    return prepareWithVmaLock(cpu, fault)
  }

  override mayCallFault(cpu: Task, fault: FaultContext): boolean {
    return mapsAround(cpu, fault.vmFile)
  }
}

/** The mmap lock, for reading or writing. */
class MmapLockHeld extends LockHeld {
  /** FAULT_FLAG_ALLOW_RETRY. */
  readonly #mayRelease: boolean

  constructor(mayRelease: boolean) {
    super()
    this.#mayRelease = mayRelease
  }

  override release(cpu: Task, fault: FaultContext, file: number): boolean {
    if (!this.#mayRelease) return false
    if (file !== 0) getFile(cpu, file)
    mmapReadUnlock(cpu, fault.mm)
    return true
  }

  /** The mmap lock keeps the neighbours of the VMA, which this reads. */
  override prepareAnonVma(cpu: Task, fault: FaultContext): number {
    return anonVmaPrepare(cpu, fault.vma) ? 0 : VM_FAULT_OOM
  }
}

/**
 * Making an anon_vma reads the neighbours of the VMA, which only the mmap lock keeps: a fault without it gives up
 * (invariant I12).
 */
function prepareWithoutMmapLock(cpu: Task, fault: FaultContext): number {
  if (cpu.design.preparesAnonVma(cpu)) return anonVmaPrepare(cpu, fault.vma) ? 0 : VM_FAULT_RETRY
  countSpfEvent(cpu, VmEvent.SPF_ABORT_ANON_VMA)
  return VM_FAULT_RETRY
}

/**
 * Reads the neighbours with the mmap lock, which it only tries: a writer may hold that lock and wait for this fault.
 */
function prepareWithVmaLock(cpu: Task, fault: FaultContext): number {
  if (!mmapReadTryLock(cpu, fault.mm)) return VM_FAULT_RETRY
  cpu.lastFaultLockedMm = true
  const prepared = anonVmaPrepare(cpu, fault.vma)
  mmapReadUnlock(cpu, fault.mm)
  return prepared ? 0 : VM_FAULT_OOM
}

export const nothingHeld: Hold = new NothingHeld()
/** The lock of the VMA, which the fault releases to wait for a page; then it begins anew with the mmap lock. */
export const vmaLockHeld: Hold = new VmaLockHeld()
/** The lock of the VMA, which the fault keeps: if that does not suffice, the classic path repeats the fault. */
export const vmaLockKept: Hold = new VmaLockKept()
/** The mmap lock, which the fault may release once, to wait for a page; then it begins anew. */
export const mmapLockHeld: Hold = new MmapLockHeld(true)
/** The mmap lock, which the fault keeps. */
export const mmapLockKept: Hold = new MmapLockHeld(false)
