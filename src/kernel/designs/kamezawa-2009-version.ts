// Speculative page faults, the first: H. Kamezawa, 18 December 2009 (RFC, four patches).
//
// A version number per mm changes whenever a thread takes or releases the mmap lock for writing. Each thread remembers
// the version that it read when it last held the lock for reading; while that is the current one, nothing has changed.
// No lookup finds the VMA: a fault that installs an entry stores the VMA in the page-table page. A fault counts itself
// as a user of the VMA; a thread that removes a VMA clears those places and waits until it has no user.
//
// After each change of the layout every thread takes one classic fault before it may try again.

import { Design } from '../fault/design.ts'
import { accessError, handlePteFault } from '../fault/fault.ts'
import { WALK_DONE, copyContainsPage, copyVma, walkSpeculatively } from '../fault/speculative.ts'
import { disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PageTable } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { rcuwaitUntil, rcuwaitWake } from '../sync/rcuwait.ts'
import { readSeqcount, readSeqcountRetry, readSeqcountTurns } from '../sync/seqcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextToWalk } from '../tables/page-table.ts'
import { releaseVmaRcu } from '../vma/vma-release.ts'
import { VMA_ADJUST, VMA_UNLINK, Vma } from '../vma/vma.ts'

export class Kamezawa2009Version extends Design {
  override readonly speculates = true
  override readonly speculatesOnFileMiss = true

  override readonly speculatesOnSwap: 'never' | 'cached' | 'any' = 'any'
  override readonly description: DesignDescription = {
    name: 'kamezawa-2009-version',
    year: 2009,
    author: 'KAMEZAWA Hiroyuki',
    rwsem: 'generic',
    source: 'RFC 1-4/4, mm accessor and speculative page fault, 18 December 2009, linux-kernel',
    lookup: 'none: the page-table page remembers the VMA',
    lifetime: 'faults count themselves in the VMA; an unmapping thread waits until the count is 0',
    validation: 'a version number per mm, compared with the one read under the mmap lock',
    commit: 'page-table lock, then the version again',
    sharedWrites: ['page.flags', 'page.refcount', 'table.vma', 'vma.refCount'],
  }

  override mmapReadLocked(cpu: Task, mm: number): void {
    cpu.versionMm = mm
    cpu.versionTurns = readSeqcountTurns(cpu, mm + Mm.version)
    cpu.version = readSeqcount(cpu, mm + Mm.version)
  }

  override mmapWriteLocked(cpu: Task, mm: number): void {
    moveVersion(cpu, mm)
  }

  override mmapWriteUnlocking(cpu: Task, mm: number): void {
    moveVersion(cpu, mm)
  }

  /** Also before borders move: pages of the VMA may be unmapped under another name afterwards. */
  override vmaWriteBegin(cpu: Task, vma: number, change: number): void {
    if (change !== VMA_ADJUST && change !== VMA_UNLINK) return
    this.forgetVma(cpu, vma, change)
    rcuwaitUntil(cpu, vma + Vma.waiter, vma + Vma.refCount, 0)
  }

  /** `invalidate_vma_cache_range`: no page-table page remembers the VMA any more. */
  protected forgetVma(cpu: Task, vma: number, _change: number): void {
    forgetVma(cpu, vma)
  }

  /**
   * A fault may have read the place in the page-table page before it was cleared, and counts itself in the VMA before
   * it looks at the version.
   */
  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  /** `update_vma_cache`: the page-table page remembers the VMA. Its lock is held. */
  override updateMmuCache(cpu: Task, fault: FaultContext): void {
    Atomics.store(cpu.heap, fault.table + PageTable.vma, fault.vma)
  }

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    countVmEvent(cpu, VmEvent.spf_attempt)
    const vma = isCurrent(cpu, fault.mm) ? lookUpCache(cpu, fault) : 0
    if (vma === 0) return this.#finish(cpu, VM_FAULT_RETRY)
    const result = this.handleVma(cpu, fault, vma, errorCode)
    this.putUser(cpu, vma, result)
    return this.#finish(cpu, result)
  }

  protected handleVma(cpu: Task, fault: FaultContext, vma: number, errorCode: number): number {
    fault.vma = vma
    copyVma(cpu, fault, vma)
    // Until this check the VMA may be any that ever was; from then on, a writer waits for this fault before it changes
    // it.
    if (!isCurrent(cpu, fault.mm) || !copyContainsPage(fault)) return VM_FAULT_RETRY
    if (accessError(errorCode, fault.vmFlags)) return this.refuse(cpu, fault, errorCode)
    countVmEvent(cpu, VmEvent.pgfault)
    return handlePteFault(cpu, fault)
  }

  /** The classic path decides (invariant I1). */
  protected refuse(_cpu: Task, _fault: FaultContext, _errorCode: number): number {
    return VM_FAULT_RETRY
  }

  /** `vma_release`: the last user wakes the thread that waits to remove the VMA. */
  protected putUser(cpu: Task, vma: number, _result: number): void {
    if (Atomics.sub(cpu.heap, vma + Vma.refCount, 1) === 1) rcuwaitWake(cpu, vma + Vma.waiter)
  }

  #finish(cpu: Task, result: number): number {
    if ((result & VM_FAULT_RETRY) !== 0) countVmEvent(cpu, VmEvent.spf_abort)
    return result
  }

  /** While the fault is counted in the VMA, its page tables stay: the lock may be waited for. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    const lock = fault.table + PageTable.ptl
    spinLock(cpu, lock)
    if (isCurrent(cpu, fault.mm)) return true
    spinUnlock(cpu, lock)
    return false
  }
}

/** The mmap lock is held for write. The turns move first: a comparing thread reads them last (see sync/seqcount.ts). */
function moveVersion(cpu: Task, mm: number): void {
  const { heap } = cpu
  if (Atomics.load(heap, mm + Mm.version) === -1) Atomics.add(heap, mm + Mm.versionTurns, 1)
  Atomics.add(heap, mm + Mm.version, 1)
}

/** `mm_version_check`: no thread held the mmap lock for writing since this one last held it for reading. */
export function isCurrent(cpu: Task, mm: number): boolean {
  return cpu.versionMm === mm && !readSeqcountRetry(cpu, mm + Mm.version, cpu.version, cpu.versionTurns)
}

/** `lookup_vma_cache`: the VMA that the page-table page remembers, with this fault counted in it, or 0. */
function lookUpCache(cpu: Task, fault: FaultContext): number {
  disableInterrupts(cpu)
  const found = walkSpeculatively(cpu, fault) === WALK_DONE
  const vma = found ? Atomics.load(cpu.heap, fault.table + PageTable.vma) : 0
  if (vma !== 0) Atomics.add(cpu.heap, vma + Vma.refCount, 1)
  enableInterrupts(cpu)
  return vma
}

function forgetVma(cpu: Task, vma: number): void {
  const { heap } = cpu
  const mm = heap[vma + Vma.vmMm]
  const end = heap[vma + Vma.vmEnd]
  for (let page = heap[vma + Vma.vmStart]; page < end;) {
    const table = findPteTable(cpu, mm, page)
    if (table !== 0) forgetInTable(cpu, table, vma)
    page = nextToWalk(cpu, mm, table, page, end)
  }
}

function forgetInTable(cpu: Task, table: number, vma: number): void {
  spinLock(cpu, table + PageTable.ptl)
  if (Atomics.load(cpu.heap, table + PageTable.vma) === vma) Atomics.store(cpu.heap, table + PageTable.vma, 0)
  spinUnlock(cpu, table + PageTable.ptl)
}
