// The page fault, from the architecture's handler to the dispatch by kind of page (arch/x86/mm/fault.c, mm/memory.c).
//
// A fault has these steps, which the files of this folder and of designs/ fill in:
//
//   look up     The design tries to find the VMA without the mmap lock. Where it declines or gives up, classicFault()
//               takes the lock and looks the VMA up under it.
//   hold        What the fault stands on from then on: nothing, the lock of the VMA, or the mmap lock (hold.ts).
//   handler     By what the entry was when the walk saw it: no page yet (anonymous.ts, file-fault.ts), a page in the
//               swap area (swap-fault.ts), a write to a page that is mapped for reading (wp.ts).
//   lockTable   The hold locks the page table, if what the fault has seen still holds.
//   store       If the entry is still the one that the walk saw, the new one takes its place.
//
// A fault that must sleep for a page releases its hold first, and begins anew afterwards. One that gives up leaves
// nothing behind, and the classic path repeats it with the mmap lock. A speculative miss never kills the program: only
// what the classic path finds under the lock does (invariant I1).

import {
  FAULT_INSTRUCTION,
  FAULT_PK,
  FAULT_PROTECTION,
  FAULT_REMOTE,
  FAULT_UNSHARE,
  FAULT_USER,
  FAULT_WRITE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_SWAP,
  PTE_WRITE,
  PageTable,
} from '../machine/pte.ts'
import {
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  type FaultContext,
  VM_FAULT_ACCERR,
  VM_FAULT_DROPPED,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_PKUERR,
  VM_FAULT_RETRY,
  VM_FAULT_SIGSEGV,
} from '../mm/fault-context.ts'
import {
  mmapReadLock,
  mmapReadTryLock,
  mmapReadUnlock,
  mmapWriteDowngrade,
  mmapWriteLock,
} from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { allocPteTable, pteAddress } from '../tables/page-table.ts'
import { pkeyPermitsAccess } from '../vma/pkeys.ts'
import { expandStack } from '../vma/stack.ts'
import { findVma } from '../vma/vma-tree.ts'
import { VM_GROWSDOWN, VM_WRITE, Vma, vmaIsAccessible } from '../vma/vma.ts'
import { vmacacheFind, vmacacheUpdate } from '../vma/vmacache.ts'
import { doAnonymousPage } from './anonymous.ts'
import { doFault } from './file-fault.ts'
import { mmapLockHeld, mmapLockKept, nothingHeld } from './hold.ts'
import { doSwapPage } from './swap-fault.ts'
import { doWpPage } from './wp.ts'

const SEGV_MAPERR = VM_FAULT_SIGSEGV
const SEGV_ACCERR = VM_FAULT_SIGSEGV | VM_FAULT_ACCERR

/**
 * Handles the fault of an access to `page` with the x86 `errorCode`: without FAULT_USER where the kernel makes the
 * access, and with FAULT_REMOTE where it is not one of the program's own.
 *
 * Every published design leaves faults of the kernel to the mmap lock: on x86, the patches ask for PF_USER (2009, 2010,
 * 2014, 2017) or FAULT_FLAG_USER (2018 on), and so does Linux before it tries the lock of the VMA. In Linux, kernel
 * code may fault while it holds the mmap lock, so `get_mmap_lock_carefully` looks for an entry in the exception table
 * before it waits. Here no kernel code faults with that lock held.
 *
 * Returns 0 when the access can be tried again, else VM_FAULT_SIGSEGV (with VM_FAULT_ACCERR when there is a mapping,
 * and with VM_FAULT_PKUERR when it is its key), VM_FAULT_SIGBUS or VM_FAULT_OOM.
 */
export function handleUserFault(cpu: Task, mm: number, page: number, errorCode: number): number {
  const fault = cpu.fault
  fault.mm = mm
  fault.page = page
  fault.flags = 0
  if ((errorCode & FAULT_WRITE) !== 0) fault.flags |= FAULT_FLAG_WRITE
  if ((errorCode & FAULT_INSTRUCTION) !== 0) fault.flags |= FAULT_FLAG_INSTRUCTION
  if ((errorCode & FAULT_UNSHARE) !== 0) fault.flags |= FAULT_FLAG_UNSHARE
  cpu.lastFaultSpeculative = false
  cpu.lastFaultLockedMm = false
  if ((errorCode & (FAULT_USER | FAULT_REMOTE)) === 0) countVmEvent(cpu, VmEvent.page_fault_kernel)
  if (cpu.design.speculates && isSpeculative(cpu, errorCode)) {
    fault.hold = nothingHeld
    const result = cpu.design.speculativeFault(cpu, errorCode)
    if ((result & VM_FAULT_RETRY) === 0) {
      cpu.lastFaultSpeculative = true
      return result
    }
    // The fault released the lock of its VMA and brought the page in.
    if ((result & VM_FAULT_MAJOR) !== 0) fault.flags |= FAULT_FLAG_TRIED
  }
  countVmEvent(cpu, VmEvent.classic_fault)
  cpu.lastFaultLockedMm = true
  fault.hold = (fault.flags & FAULT_FLAG_TRIED) !== 0 ? mmapLockKept : mmapLockHeld
  const result = classicFault(cpu, fault, errorCode)
  if ((result & VM_FAULT_RETRY) === 0) return result
  // The fault released the lock to wait for a page, and everything may have changed since. It begins anew, and keeps
  // the lock this time: otherwise it would never end if other threads took the page away each time.
  fault.flags |= FAULT_FLAG_TRIED
  fault.hold = mmapLockKept
  return classicFault(cpu, fault, errorCode)
}

/** Whether the design tries such faults: those of the program, or also those of the kernel in a call of the program. */
function isSpeculative(cpu: Task, errorCode: number): boolean {
  return (errorCode & FAULT_USER) !== 0 || (cpu.design.speculatesInKernel && (errorCode & FAULT_REMOTE) === 0)
}

/** `do_user_addr_fault` under the mmap lock, which is released on return. */
function classicFault(cpu: Task, fault: FaultContext, errorCode: number): number {
  const { mm, page } = fault
  if (!mmapReadTryLock(cpu, mm)) mmapReadLock(cpu, mm)
  let vma = cpu.design.retryVma(cpu, mm, page)
  if (vma === 0) vma = vmacacheFind(cpu, mm, page)
  if (vma === 0) {
    vma = findVma(cpu, mm, page)
    if (vma !== 0 && cpu.heap[vma + Vma.vmStart] > page) vma = growStackTo(cpu, mm, vma, page)
    if (vma === 0) {
      mmapReadUnlock(cpu, mm)
      return SEGV_MAPERR
    }
    vmacacheUpdate(cpu, page, vma)
  }
  const vmFlags = cpu.heap[vma + Vma.vmFlags]
  if (accessError(errorCode, vmFlags)) {
    mmapReadUnlock(cpu, mm)
    return accessSignal(errorCode, vmFlags)
  }
  fillFromVma(cpu, fault, vma)
  const result = handleMmFault(cpu, fault)
  if ((result & VM_FAULT_DROPPED) === 0) mmapReadUnlock(cpu, mm)
  return result & ~VM_FAULT_DROPPED
}

/**
 * The fault is below `vma`: grows it to there if it is a stack. Releases the mmap lock meanwhile, to take it for
 * writing, and holds it for reading on return. Returns the VMA that contains `page`, or 0.
 */
function growStackTo(cpu: Task, mm: number, vma: number, page: number): number {
  if ((cpu.heap[vma + Vma.vmFlags] & VM_GROWSDOWN) === 0) return 0
  mmapReadUnlock(cpu, mm)
  mmapWriteLock(cpu, mm)
  const found = findVma(cpu, mm, page)
  const grown = found !== 0 && (cpu.heap[found + Vma.vmStart] <= page || expandStack(cpu, found, page) === 0)
  mmapWriteDowngrade(cpu, mm)
  return grown ? found : 0
}

/**
 * Handles a fault as of a read, with the mmap lock held throughout: for a page that leaves the swap area. Returns what
 * {@link handleUserFault} does.
 */
export function faultInLocked(cpu: Task, mm: number, page: number): number {
  const { fault } = cpu
  const vma = findVma(cpu, mm, page)
  if (vma === 0 || cpu.heap[vma + Vma.vmStart] > page) return 0
  fault.mm = mm
  fault.page = page
  fault.flags = 0
  fault.hold = mmapLockKept
  fillFromVma(cpu, fault, vma)
  return handleMmFault(cpu, fault)
}

/** x86 `access_error`: the VMA does not allow the access. */
export function accessError(errorCode: number, vmFlags: number): boolean {
  if (isRefusedByPkey(errorCode, vmFlags)) return true
  if ((errorCode & FAULT_WRITE) !== 0) return (vmFlags & VM_WRITE) === 0
  if ((errorCode & FAULT_PROTECTION) !== 0) return true
  return !vmaIsAccessible(vmFlags)
}

/** `bad_area_access_error`: the signal for an access that the VMA does not allow. */
export function accessSignal(errorCode: number, vmFlags: number): number {
  return isRefusedByPkey(errorCode, vmFlags) ? SEGV_ACCERR | VM_FAULT_PKUERR : SEGV_ACCERR
}

/**
 * `bad_area_access_from_pkeys`: the processor has refused the access for the key of the page, or would do so once the
 * page is there; the fault does not bring it in for that.
 */
function isRefusedByPkey(errorCode: number, vmFlags: number): boolean {
  return (errorCode & FAULT_PK) !== 0 || !pkeyPermitsAccess(vmFlags, errorCode)
}

/**
 * Copies what the handlers need. The caller holds the mmap lock or the lock of the VMA, so plain reads suffice, except
 * for anonVma, which other faults may set.
 */
export function fillFromVma(cpu: Task, fault: FaultContext, vma: number): void {
  const { heap } = cpu
  fault.vma = vma
  fault.vmStart = heap[vma + Vma.vmStart]
  fault.vmEnd = heap[vma + Vma.vmEnd]
  fault.vmFlags = heap[vma + Vma.vmFlags]
  fault.vmPgoff = heap[vma + Vma.vmPgoff]
  fault.vmFile = heap[vma + Vma.vmFile]
  fault.anonVma = Atomics.load(heap, vma + Vma.anonVma)
}

/**
 * `handle_mm_fault` with the mmap lock or that of the VMA held: makes the page tables (for a page of a file, Linux
 * makes the pte table only once it has the page) and dispatches. As in Linux since 2023 (`mm_account_fault`), a fault
 * that has to begin anew is counted at its end only.
 */
export function handleMmFault(cpu: Task, fault: FaultContext): number {
  const table = allocPteTable(cpu, fault.mm, fault.page)
  if (table === 0) return VM_FAULT_OOM
  fault.table = table
  fault.originalPte = Atomics.load(cpu.heap, pteAddress(table, fault.page))
  const result = handlePteFault(cpu, fault)
  if ((result & VM_FAULT_RETRY) === 0) countVmEvent(cpu, VmEvent.pgfault)
  return result
}

/** `handle_pte_fault`: by what the entry was when the walk saw it. */
export function handlePteFault(cpu: Task, fault: FaultContext): number {
  if (fault.originalPte === 0) return fault.vmFile === 0 ? doAnonymousPage(cpu, fault) : doFault(cpu, fault)
  if ((fault.originalPte & PTE_SWAP) !== 0) return doSwapPage(cpu, fault)
  fault.hold.countAttempt(cpu, VmEvent.SPF_ATTEMPT_PTE)
  if (!fault.hold.lockTable(cpu, fault)) return VM_FAULT_RETRY
  const { heap } = cpu
  const address = pteAddress(fault.table, fault.page)
  // Another thread has handled it (invariant I7).
  if (Atomics.load(heap, address) !== fault.originalPte) {
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return 0
  }
  let entry = fault.originalPte
  if ((fault.flags & FAULT_FLAG_WRITE) !== 0) {
    if ((entry & PTE_WRITE) === 0) return doWpPage(cpu, fault)
    entry |= PTE_DIRTY
  } else if ((fault.flags & FAULT_FLAG_UNSHARE) !== 0 && (entry & PTE_WRITE) === 0)
    return doWpPage(cpu, fault)
  entry |= PTE_ACCESSED
  const found = Atomics.compareExchange(heap, address, fault.originalPte, entry)
  if (found === fault.originalPte && entry !== found) cpu.design.updateMmuCache(cpu, fault)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  return 0
}
