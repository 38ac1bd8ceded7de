// Faults on anonymous memory without a page (mm/memory.c, do_anonymous_page).

import { allocPage } from '../cache/reclaim.ts'
import { ZERO_FRAME } from '../machine/frames.ts'
import { PTE_DIRTY, PTE_FRAME_SHIFT, PTE_SPECIAL, PTE_WRITE, PageTable } from '../machine/pte.ts'
import { clearFrame } from '../machine/sectors.ts'
import { lruCacheAdd, putPage } from '../memory/page-alloc.ts'
import { initAnonymousPage } from '../memory/page.ts'
import { addMmCounterFast } from '../memory/rss.ts'
import {
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  type FaultContext,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from '../mm/fault-context.ts'
import { MM_ANON_PAGES } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { pteAddress } from '../tables/page-table.ts'
import { youngPageProt } from '../tables/pte-flags.ts'
import { VM_SHARED, VM_WRITE, Vma } from '../vma/vma.ts'
import { isStable } from './oom-reaper.ts'

const UNSTABLE = -2

export function doAnonymousPage(cpu: Task, fault: FaultContext): number {
  fault.hold.countAttempt(cpu, VmEvent.SPF_ATTEMPT_ANON)
  if ((fault.vmFlags & VM_SHARED) !== 0) return VM_FAULT_SIGBUS
  const own = (fault.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0
  if (!own && !cpu.config.MM_FORBIDS_ZEROPAGE) {
    const entry = (ZERO_FRAME << PTE_FRAME_SHIFT) | youngPageProt(fault.vmFlags) | PTE_SPECIAL
    return notInstalled(installIfNone(cpu, fault, entry))
  }
  const unprepared = faultAnonVma(cpu, fault)
  if (unprepared !== 0) return unprepared
  const frame = allocPage(cpu)
  if (frame === 0) return fault.hold.outOfMemory
  clearFrame(cpu, frame)
  initFaultPage(cpu, fault, frame)
  const installed = installIfNone(cpu, fault, anonymousPte(fault, frame))
  if (installed === 1) {
    addMmCounterFast(cpu, fault.mm, MM_ANON_PAGES, 1)
    return 0
  }
  putPage(cpu, frame)
  return notInstalled(installed)
}

/** The result of the fault, from the result of {@link installIfNone}. */
function notInstalled(installed: number): number {
  if (installed === UNSTABLE) return VM_FAULT_SIGBUS
  return installed < 0 ? VM_FAULT_RETRY : 0
}

/**
 * Stores `entry` in the page table if the place is empty. Returns 1 if it did; 0 if another thread has stored an entry;
 * -1 if the fault must be retried; UNSTABLE if the OOM reaper may have taken the page.
 */
function installIfNone(cpu: Task, fault: FaultContext, entry: number): number {
  if (!fault.hold.lockTable(cpu, fault)) return -1
  const address = pteAddress(fault.table, fault.page)
  const none = Atomics.load(cpu.heap, address) === 0
  const stable = isStable(cpu, fault.mm)
  if (none && stable) {
    if ((entry & PTE_SPECIAL) === 0) lruCacheAdd(cpu, entry >>> PTE_FRAME_SHIFT)
    Atomics.store(cpu.heap, address, entry)
    cpu.design.updateMmuCache(cpu, fault)
  }
  spinUnlock(cpu, fault.table + PageTable.ptl)
  if (none && !stable) return UNSTABLE
  return none ? 1 : 0
}

/** Gives the VMA an anon_vma if it has none. Returns 0, or the result of the fault if that fails. */
export function faultAnonVma(cpu: Task, fault: FaultContext): number {
  return fault.anonVma !== 0 ? 0 : fault.hold.prepareAnonVma(cpu, fault)
}

/** Makes the frame, which this fault alone has, a page of its mapping. */
export function initFaultPage(cpu: Task, fault: FaultContext, frame: number): void {
  const anonVma = fault.anonVma !== 0 ? fault.anonVma : Atomics.load(cpu.heap, fault.vma + Vma.anonVma)
  initAnonymousPage(cpu, frame, fault.page - fault.vmStart + fault.vmPgoff, anonVma, 1)
}

/**
 * The entry of a page that was made for this fault alone. In a writable VMA it is writable at once, even after a read,
 * so that the first write does not fault.
 */
export function anonymousPte(fault: FaultContext, frame: number): number {
  const entry = (frame << PTE_FRAME_SHIFT) | youngPageProt(fault.vmFlags)
  return (fault.vmFlags & VM_WRITE) === 0 ? entry : entry | PTE_WRITE | PTE_DIRTY
}
