// Writes to a page that is mapped read-only: copy on write (mm/memory.c, do_wp_page).

import { allocPage } from '../cache/reclaim.ts'
import { PTE_ACCESSED, PTE_DIRTY, PTE_FRAME_SHIFT, PTE_SPECIAL, PageTable } from '../machine/pte.ts'
import { clearFrame, copyFrame } from '../machine/sectors.ts'
import { setPageDirty } from '../memory/dirty.ts'
import { lruAddDrainFor, lruCacheAdd, putPage } from '../memory/page-alloc.ts'
import { tryLockPage, unlockPage } from '../memory/page-lock.ts'
import { getPage, isExclusive, isFilePage, pageCount } from '../memory/page.ts'
import { addMmCounterFast } from '../memory/rss.ts'
import { freePageAndSwapCache, swapCacheSlot, tryToFreeSwap } from '../memory/swap.ts'
import { FAULT_FLAG_WRITE, type FaultContext, VM_FAULT_RETRY } from '../mm/fault-context.ts'
import { MM_ANON_PAGES, MM_FILE_PAGES } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { VmEvent } from '../mm/vm-event.ts'
import { spinUnlock } from '../sync/spinlock.ts'
import { flushTlbMm } from '../tables/mmu-gather.ts'
import { pteAddress } from '../tables/page-table.ts'
import { maybeMkwrite } from '../tables/pte-flags.ts'
import { VM_SHARED } from '../vma/vma.ts'
import { anonymousPte, faultAnonVma, initFaultPage } from './anonymous.ts'

/**
 * `do_wp_page`: for a write, or to unshare the page of a private mapping. The caller has locked the pte table and found
 * the original entry; this function unlocks the table.
 */
export function doWpPage(cpu: Task, fault: FaultContext): number {
  fault.hold.countAttempt(cpu, VmEvent.SPF_ATTEMPT_WP)
  const frame = fault.originalPte >>> PTE_FRAME_SHIFT
  const special = (fault.originalPte & PTE_SPECIAL) !== 0
  if (!special && (fault.vmFlags & VM_SHARED) !== 0) {
    setPageDirty(cpu, frame)
    return wpPageReuse(cpu, fault)
  }
  const anonymous = !special && !isFilePage(cpu, frame)
  if (anonymous) lruAddDrainFor(cpu, frame)
  if (anonymous && (isExclusive(cpu, frame) || leavesSwapCache(cpu, frame))) return wpPageReuse(cpu, fault)
  // The page must stay what it is while it is copied without the lock.
  if (!special) getPage(cpu, frame)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  const result = wpPageCopy(cpu, fault, special ? 0 : frame, anonymous)
  if (!special) freePageAndSwapCache(cpu, frame)
  return result
}

/**
 * The rest of `wp_can_reuse_anon_folio`: besides the entry, only the swap cache refers to the page, and no other entry
 * to its slot. Takes the page out of the cache then, and returns true.
 */
function leavesSwapCache(cpu: Task, frame: number): boolean {
  if (pageCount(cpu, frame) !== 2 || swapCacheSlot(cpu, frame) === 0 || !tryLockPage(cpu, frame)) return false
  tryToFreeSwap(cpu, frame)
  unlockPage(cpu, frame)
  return isExclusive(cpu, frame)
}

/** `wp_page_reuse`: no other mapping has the page, so it becomes writable in place, if the VMA is writable. */
function wpPageReuse(cpu: Task, fault: FaultContext): number {
  const { originalPte } = fault
  const written = (fault.flags & FAULT_FLAG_WRITE) === 0 ? 0 : PTE_DIRTY
  const entry = maybeMkwrite(originalPte | written | PTE_ACCESSED, fault.vmFlags)
  const found = Atomics.compareExchange(cpu.heap, pteAddress(fault.table, fault.page), originalPte, entry)
  if (found === originalPte && entry !== originalPte) cpu.design.updateMmuCache(cpu, fault)
  spinUnlock(cpu, fault.table + PageTable.ptl)
  return 0
}

/** `wp_page_copy`: `from` is the frame to copy, 0 for the zero page. */
function wpPageCopy(cpu: Task, fault: FaultContext, from: number, anonymous: boolean): number {
  const unprepared = faultAnonVma(cpu, fault)
  if (unprepared !== 0) return unprepared
  const frame = allocPage(cpu)
  if (frame === 0) return fault.hold.outOfMemory
  if (from === 0) clearFrame(cpu, frame)
  else copyFrame(cpu, frame, from)
  initFaultPage(cpu, fault, frame)
  const replaced = wpCommit(cpu, fault, anonymousPte(fault, frame))
  if (replaced <= 0) {
    putPage(cpu, frame)
    return replaced < 0 ? VM_FAULT_RETRY : 0
  }
  if (from === 0 || !anonymous) addMmCounterFast(cpu, fault.mm, MM_ANON_PAGES, 1)
  if (from !== 0) {
    if (!anonymous) addMmCounterFast(cpu, fault.mm, MM_FILE_PAGES, -1)
    // The entry that was replaced had a reference on the page.
    freePageAndSwapCache(cpu, from)
  }
  return 0
}

/** Replaces the original entry by `entry`. Returns 1; 0 if the entry has changed; -1 if the fault must be retried. */
function wpCommit(cpu: Task, fault: FaultContext, entry: number): number {
  if (!fault.hold.copyBegin(cpu, fault)) return -1
  let replaced = -1
  if (fault.hold.lockTable(cpu, fault)) {
    replaced = wpReplace(cpu, fault, entry) ? 1 : 0
    if (replaced !== 0) cpu.design.updateMmuCache(cpu, fault)
    spinUnlock(cpu, fault.table + PageTable.ptl)
  }
  // Also if the commit failed: an observer that was notified of the beginning must be notified of the end (race R18).
  fault.hold.copyEnd(cpu, fault, replaced >= 0)
  return replaced
}

/**
 * Replaces the original entry, if it is still there. It is cleared and flushed before the new one is stored, or a CPU
 * could write through the new entry while another still reads the old page. The table stays locked across the flush, as
 * in Linux: a CPU that waits for the lock must therefore answer interrupts (race R11).
 */
function wpReplace(cpu: Task, fault: FaultContext, entry: number): boolean {
  const address = pteAddress(fault.table, fault.page)
  if (Atomics.compareExchange(cpu.heap, address, fault.originalPte, 0) !== fault.originalPte) return false
  flushTlbMm(cpu, fault.mm, fault.page, fault.page + 1)
  lruCacheAdd(cpu, entry >>> PTE_FRAME_SHIFT)
  Atomics.store(cpu.heap, address, entry)
  return true
}
