// The lock of a page (mm/filemap.c, lock_page): a bit of its flags.
//
// Its holder may read the content in, write it back, or take the page out of its cache. A fault locks the page before
// it checks that the page still belongs to its file, and holds the lock until the page is mapped, so that truncation,
// which locks it too, finds every mapping. The holder may sleep while the host reads or writes. A CPU that locks
// several pages of one file locks them in the order of the pages; otherwise it only tries to lock a second one.

import { sleepWhile } from '../machine/sleep.ts'
import type { Task } from '../mm/task.ts'
import { PG_DIRTY, PG_LOCKED, PG_WAITERS, Page, pageStruct } from './page.ts'

/** `trylock_page`. The caller has a reference on the page. */
export function tryLockPage(cpu: Task, frame: number): boolean {
  return (Atomics.or(cpu.heap, pageStruct(cpu, frame) + Page.flags, PG_LOCKED) & PG_LOCKED) === 0
}

/** `lock_page`: may sleep. */
export function lockPage(cpu: Task, frame: number): void {
  while (!tryLockPage(cpu, frame)) waitOnPageLocked(cpu, frame)
}

/** `wait_on_page_locked`: returns once the page has been unlocked since the call. */
export function waitOnPageLocked(cpu: Task, frame: number): void {
  const { heap } = cpu
  const flags = pageStruct(cpu, frame) + Page.flags
  const before = Atomics.or(heap, flags, PG_WAITERS)
  // If the page is unlocked by now, the mark stays: a later waiter may need it, and it costs only one call of the host.
  if ((before & PG_LOCKED) !== 0) sleepWhile(cpu, flags, before | PG_WAITERS)
}

/** `unlock_page`. */
export function unlockPage(cpu: Task, frame: number): void {
  const flags = pageStruct(cpu, frame) + Page.flags
  const before = Atomics.and(cpu.heap, flags, ~(PG_LOCKED | PG_WAITERS))
  if ((before & PG_WAITERS) !== 0) Atomics.notify(cpu.heap, flags)
}

/** Sets and clears flags of a page on which the caller has a reference. */
export function setPageFlags(cpu: Task, frame: number, set: number): void {
  const flags = pageStruct(cpu, frame) + Page.flags
  if ((Atomics.load(cpu.heap, flags) & set) !== set) Atomics.or(cpu.heap, flags, set)
}

export function clearPageFlags(cpu: Task, frame: number, clear: number): void {
  Atomics.and(cpu.heap, pageStruct(cpu, frame) + Page.flags, ~clear)
}

/**
 * `page_ref_freeze`: if only the cache and the caller refer to the page, sets the count to 0, so that no CPU can take a
 * reference any more. A CPU that wrote to the page marked it dirty before it dropped its reference: if the page is
 * dirty now, it is not frozen (`page_ref_unfreeze`). Returns whether it is frozen.
 */
export function freezeIfClean(cpu: Task, frame: number): boolean {
  const refcount = pageStruct(cpu, frame) + Page.refcount
  if (Atomics.compareExchange(cpu.heap, refcount, 2, 0) !== 2) return false
  if ((pageFlags(cpu, frame) & PG_DIRTY) === 0) return true
  Atomics.store(cpu.heap, refcount, 2)
  return false
}

export function pageFlags(cpu: Task, frame: number): number {
  return Atomics.load(cpu.heap, pageStruct(cpu, frame) + Page.flags)
}
