// What the forms of the reader-writer semaphore have in common: the struct, the queue of waiters, and who holds it for
// writing.

import { type Cpu } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { prepareToSleep } from '../machine/sleep.ts'

export const RWSEM_WORDS = 16
export const Rwsem = layout('rw_semaphore', RWSEM_WORDS, {
  /**
   * xadd: the biased count. Generic: `activity`, the number of readers or -1 for a writer. Spinning: readers and flags,
   * see rwsem-spinning.ts.
   */
  count: 0,
  waitLock: 1,
  /** The queue of waiters, which are the `waiter` fields of the CPUs: the per-CPU structs' addresses, 0 at the ends. */
  waitFirst: 2,
  waitLast: 3,
  /**
   * The CPU that holds it for write, as {@link ownerTag} writes it. xadd and generic: for assertions, else 0. Spinning:
   * with flags, which say of a reader that there is, or was, one; see rwsem-spinning.ts.
   */
  owner: 4,
  /** Spinning: one more than the CPU that spins, 0 for none. */
  spinner: 5,
})

/** Of the struct. What it says of readers is a hint. */
export const RWSEM_OWNER_WORD = Rwsem.owner

export const WAITING_FOR_READ = 1
export const WAITING_FOR_WRITE = 2

/** What `owner` says while this CPU holds the lock for writing. The lowest two bits are left for flags. */
export function ownerTag(cpu: Cpu): number {
  return (cpu.id + 1) << 2
}

/** @param owner what `owner` says as this CPU is about to release the write lock */
export function assertOwner(cpu: Cpu, owner: number): void {
  bugOn(owner !== ownerTag(cpu), `CPU ${cpu.id} releases a write lock that it does not hold`)
}

/** Appends this CPU to the queue. The wait lock is held. */
export function enqueueWaiter(cpu: Cpu, sem: number, kind: number): void {
  const { heap, base } = cpu
  const last = heap[sem + Rwsem.waitLast]
  heap[base + PerCpu.waiterKind] = kind
  heap[base + PerCpu.waiterNext] = 0
  heap[base + PerCpu.waiterPrevious] = last
  prepareToSleep(cpu, base + PerCpu.waiterTask)
  heap[sem + Rwsem.waitLast] = base
  if (last === 0) heap[sem + Rwsem.waitFirst] = base
  else heap[last + PerCpu.waiterNext] = base
}

/** Takes a waiter out of the queue. The wait lock is held. */
export function dequeueWaiter(cpu: Cpu, sem: number, waiter: number): void {
  const { heap } = cpu
  const next = heap[waiter + PerCpu.waiterNext]
  const previous = heap[waiter + PerCpu.waiterPrevious]
  if (previous === 0) heap[sem + Rwsem.waitFirst] = next
  else heap[previous + PerCpu.waiterNext] = next
  if (next === 0) heap[sem + Rwsem.waitLast] = previous
  else heap[next + PerCpu.waiterPrevious] = previous
}
