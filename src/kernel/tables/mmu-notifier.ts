// MMU notifiers: observers of the translations of an address space, which the kernel notifies before and after it
// removes translations (mm/mmu_notifier.c; the observer is KVM's, virt/kvm/kvm_main.c of Linux 5.12).
//
// An observer is a secondary MMU: it translates pages of the program by itself, keeps the results in a shadow table,
// and takes no references on the frames. The protocol keeps the frames alive. A thread that removes translations first
// calls `invalidateRangeStart`, which drops them from the shadow table and forbids new ones; `invalidateRangeEnd`
// counts and allows them again. An observer that looks up a page notes the count before, and enters its result only
// if no invalidation of the page is under way and the count is the same.
//
// That holds only if a thread that removes translations sees every observer. Registration holds the mmap lock for
// writing, which excludes the holders of that lock, and for a moment the lock of the list, which excludes reclaim. The
// design excludes a copy on write by a fault without the mmap lock (`copyBegin`, `notifierRegistering`): otherwise the
// copy may begin before there is an observer, and end when there is one (race R17).

import { bugOn } from '../machine/errors.ts'
import { Header } from '../machine/header.ts'
import { layout } from '../machine/layout.ts'
import { slabAlloc, slabFree } from '../memory/slab.ts'
import { CACHE_MMU_NOTIFIER } from '../mm/caches.ts'
import { ENOMEM } from '../mm/errno.ts'
import { Mm, TASK_SIZE } from '../mm/mm.ts'
import { mmapWriteLock, mmapWriteUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { advanceNumber, forgetNumber, takeNumber } from '../sync/number.ts'
import { RCU_FREE_MMU_NOTIFIER, callRcu, defineRcuCallback, rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { readLock, readUnlock, writeLock, writeUnlock } from '../sync/rwlock.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'

const SHADOW = 32
/** Translations that a shadow table holds. */
const SHADOW_ENTRIES = 64
export const MMU_NOTIFIER_WORDS = SHADOW + 2 * SHADOW_ENTRIES

export const MmuNotifier = layout('mmu_notifier', MMU_NOTIFIER_WORDS, {
  /** The next observer of the same mm. */
  next: 0,
  mm: 1,
  rcuHead: 2,
  /** Which of all observers of the machine it is, see sync/number.ts; 0 once it is unregistered. */
  generation: 4,
  generationHigh: 5,

  /** KVM's `mmu_lock`: guards what follows. Its holder waits for nothing else. */
  lock: 16,
  /** How many invalidations have ended; written under the lock. */
  invalidateSeq: 17,
  invalidateSeqHigh: 18,
  /** How many are under way; written under the lock. */
  invalidateInProgress: 19,
  /** The pages [rangeStart, rangeEnd) cover all that are under way. */
  rangeStart: 20,
  rangeEnd: 21,
  /**
   * The shadow table, direct-mapped: page and entry, two words each. Page 0, which no program can map, marks an empty
   * place.
   */
  shadow: SHADOW,
})

/** `mmu_notifier_register`: a new observer of `mm`. Returns its place, or -ENOMEM. May sleep. */
export function registerMmuNotifier(cpu: Task, mm: number): number {
  const { heap } = cpu
  const notifier = slabAlloc(cpu, CACHE_MMU_NOTIFIER)
  if (notifier === 0) return -ENOMEM
  heap.fill(0, notifier, notifier + MMU_NOTIFIER_WORDS)
  heap[notifier + MmuNotifier.mm] = mm
  takeNumber(cpu, Header.mmuNotifierGeneration, notifier + MmuNotifier.generation)
  mmapWriteLock(cpu, mm)
  cpu.design.notifierRegistering(cpu, mm)
  writeLock(cpu, mm + Mm.mmuNotifiersLock)
  heap[notifier + MmuNotifier.next] = heap[mm + Mm.mmuNotifiers]
  Atomics.store(heap, mm + Mm.mmuNotifiers, notifier)
  writeUnlock(cpu, mm + Mm.mmuNotifiersLock)
  cpu.design.notifierRegistered(cpu, mm)
  mmapWriteUnlock(cpu, mm)
  return notifier
}

/**
 * `mmu_notifier_unregister`: frees the observer after a grace period, since a thread that is notifying observers may
 * still be reading it. The caller's finishCall() advances the grace period.
 */
export function unregisterMmuNotifier(cpu: Task, notifier: number): void {
  const { heap } = cpu
  const mm = heap[notifier + MmuNotifier.mm]
  writeLock(cpu, mm + Mm.mmuNotifiersLock)
  let link: number = mm + Mm.mmuNotifiers
  while (heap[link] !== notifier) link = heap[link] + MmuNotifier.next
  Atomics.store(heap, link, heap[notifier + MmuNotifier.next])
  writeUnlock(cpu, mm + Mm.mmuNotifiersLock)
  forgetNumber(cpu, notifier + MmuNotifier.generation)
  callRcu(cpu, notifier + MmuNotifier.rcuHead, RCU_FREE_MMU_NOTIFIER)
}

defineRcuCallback<Task>(RCU_FREE_MMU_NOTIFIER, (cpu, head) => {
  slabFree(cpu, CACHE_MMU_NOTIFIER, head - MmuNotifier.rcuHead)
})

/** `mmu_notifier_release`: unregisters all observers of an address space that is being destroyed. */
export function releaseMmuNotifiers(cpu: Task, mm: number): void {
  for (;;) {
    const notifier = cpu.heap[mm + Mm.mmuNotifiers]
    if (notifier === 0) return
    unregisterMmuNotifier(cpu, notifier)
  }
}

/** `mm_has_notifiers`. */
export function mmHasNotifiers(cpu: Task, mm: number): boolean {
  return Atomics.load(cpu.heap, mm + Mm.mmuNotifiers) !== 0
}

// ---------------------------------------------------------------------------------------------------------------------
// Who withdraws translations

/**
 * `mmu_notifier_invalidate_range_start`: translations of the pages [start, end) are about to be removed. When it
 * returns, no observer uses one, and none enters a new one before {@link invalidateRangeEnd} is called for the same
 * pages.
 */
export function invalidateRangeStart(cpu: Task, mm: number, start: number, end: number): void {
  if (!mmHasNotifiers(cpu, mm)) return
  const { heap } = cpu
  rcuReadLock(cpu)
  let notifier = Atomics.load(heap, mm + Mm.mmuNotifiers)
  while (notifier !== 0) {
    beginInvalidation(cpu, notifier, start, end)
    notifier = Atomics.load(heap, notifier + MmuNotifier.next)
  }
  rcuReadUnlock(cpu)
}

/** `mmu_notifier_invalidate_range_end`: the translations are removed. */
export function invalidateRangeEnd(cpu: Task, mm: number): void {
  if (!mmHasNotifiers(cpu, mm)) return
  const { heap } = cpu
  rcuReadLock(cpu)
  let notifier = Atomics.load(heap, mm + Mm.mmuNotifiers)
  while (notifier !== 0) {
    endInvalidation(cpu, notifier)
    notifier = Atomics.load(heap, notifier + MmuNotifier.next)
  }
  rcuReadUnlock(cpu)
}

/**
 * The same for reclaim, which removes translations without the mmap lock. No observer can be registered before {@link
 * reclaimEnd}; in Linux, registration takes the locks of the reverse mapping for that. The range is the whole address
 * space, since the table that reclaim is about to lock may have moved since reclaim found it. The caller holds no lock
 * of a page table. The lock of the list is taken for reading, since several CPUs may reclaim at once, and each waits
 * for others to flush.
 */
export function reclaimStart(cpu: Task, mm: number): void {
  readLock(cpu, mm + Mm.mmuNotifiersLock)
  invalidateRangeStart(cpu, mm, 0, TASK_SIZE)
}

export function reclaimEnd(cpu: Task, mm: number): void {
  invalidateRangeEnd(cpu, mm)
  readUnlock(cpu, mm + Mm.mmuNotifiersLock)
}

/** `kvm_mmu_notifier_invalidate_range_start`. */
function beginInvalidation(cpu: Task, notifier: number, start: number, end: number): void {
  const { heap } = cpu
  spinLock(cpu, notifier + MmuNotifier.lock)
  const before = Atomics.add(heap, notifier + MmuNotifier.invalidateInProgress, 1)
  const alone = before === 0
  const rangeStart = notifier + MmuNotifier.rangeStart
  const rangeEnd = notifier + MmuNotifier.rangeEnd
  // Invalidations under way at once share one range that covers them all: a range that is too large does no harm.
  heap[rangeStart] = alone ? start : Math.min(heap[rangeStart], start)
  heap[rangeEnd] = alone ? end : Math.max(heap[rangeEnd], end)
  dropShadow(cpu, notifier, start, end)
  spinUnlock(cpu, notifier + MmuNotifier.lock)
}

/**
 * `kvm_mmu_notifier_invalidate_range_end`: increments the count before it takes the invalidation back, so that an
 * observer sees at least one of the two.
 */
function endInvalidation(cpu: Task, notifier: number): void {
  const { heap } = cpu
  spinLock(cpu, notifier + MmuNotifier.lock)
  advanceNumber(heap, notifier + MmuNotifier.invalidateSeq)
  const before = Atomics.sub(heap, notifier + MmuNotifier.invalidateInProgress, 1)
  bugOn(before <= 0, 'an observer hears of the end of an invalidation that it did not hear of before')
  spinUnlock(cpu, notifier + MmuNotifier.lock)
}

// ---------------------------------------------------------------------------------------------------------------------
// The observer

/** The count that the observer notes before it looks up a page. */
export function invalidateSequence(cpu: Task, notifier: number): number {
  spinLock(cpu, notifier + MmuNotifier.lock)
  const sequence = lockedSequence(cpu, notifier)
  spinUnlock(cpu, notifier + MmuNotifier.lock)
  return sequence
}

/** The observer is locked, so that the two words belong together. */
function lockedSequence(cpu: Task, notifier: number): number {
  const high = cpu.heap[notifier + MmuNotifier.invalidateSeqHigh]
  return high * 2 ** 32 + (cpu.heap[notifier + MmuNotifier.invalidateSeq] >>> 0)
}

/**
 * `mmu_notifier_retry_hva`: a translation of `page` that the observer looked up after it had noted `sequence` may be
 * removed by now. The observer is locked.
 */
export function invalidateRetry(cpu: Task, notifier: number, page: number, sequence: number): boolean {
  return isInvalidating(cpu, notifier, page) || lockedSequence(cpu, notifier) !== sequence
}

/** An invalidation of `page` is under way. The observer is locked. */
export function isInvalidating(cpu: Task, notifier: number, page: number): boolean {
  const { heap } = cpu
  if (Atomics.load(heap, notifier + MmuNotifier.invalidateInProgress) === 0) return false
  return heap[notifier + MmuNotifier.rangeStart] <= page && page < heap[notifier + MmuNotifier.rangeEnd]
}

/** The entry of the shadow table for `page`, or 0. The observer is locked. */
export function findShadow(cpu: Task, notifier: number, page: number): number {
  const slot = shadowSlot(notifier, page)
  return cpu.heap[slot] === page ? cpu.heap[slot + 1] : 0
}

/** Enters a translation into the shadow table, in place of what is there. The observer is locked. */
export function enterShadow(cpu: Task, notifier: number, page: number, entry: number): void {
  const slot = shadowSlot(notifier, page)
  cpu.heap[slot] = page
  cpu.heap[slot + 1] = entry
}

function dropShadow(cpu: Task, notifier: number, start: number, end: number): void {
  const { heap } = cpu
  for (let slot = notifier + SHADOW; slot < notifier + MMU_NOTIFIER_WORDS; slot += 2) {
    if (heap[slot] >= start && heap[slot] < end) heap[slot] = 0
  }
}

function shadowSlot(notifier: number, page: number): number {
  return notifier + SHADOW + 2 * (page & (SHADOW_ENTRIES - 1))
}
