// What the forms of the reader-writer semaphore have in common: the struct, the queue of waiters, and who holds it for
// writing.

import { type Cpu } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { prepareToSleep, sleepUntilWoken, wakeUp } from '../machine/sleep.ts'

export const RWSEM_WORDS = 16
export const Rwsem = layout('rw_semaphore', RWSEM_WORDS, {
  /**
   * xadd, and where only writers spin: the biased count. Generic: `activity`, the number of readers or -1 for a
   * writer. Spinning: readers and flags, see rwsem-spinning.ts.
   */
  count: 0,
  waitLock: 1,
  /** The queue of waiters, which are the `waiter` fields of the CPUs: the per-CPU structs' addresses, 0 at the ends. */
  waitFirst: 2,
  waitLast: 3,
  /**
   * The CPU that holds it for write, by the address of its struct. xadd and generic: for assertions, else 0. Those that
   * spin: with the flags below.
   */
  owner: 4,
  /** Spinning: one more than the CPU that spins, 0 for none. */
  spinner: 5,
  /** Writers spin, or readers too: the queue of spinners, see osq.ts. */
  spinners: 6,
})

/** The word `owner` of the struct. What it says of readers is a hint. */
export const RWSEM_OWNER_WORD = Rwsem.owner

export const WAITING_FOR_READ = 1
export const WAITING_FOR_WRITE = 2

// Flags of `owner`, in the lowest bits of an address. READER_OWNED: a reader holds the lock or was the last to hold it
// (4.7). NONSPINNABLE: writers do not spin, since readers have held the lock for long (5.3). READERS_NONSPINNABLE:
// readers do not spin (5.3 to 5.10).
export const READER_OWNED = 1
export const NONSPINNABLE = 2
export const READERS_NONSPINNABLE = 4
export const OWNER_FLAGS = READER_OWNED | NONSPINNABLE | READERS_NONSPINNABLE

/** @param owner the word `owner`; true while this CPU holds the lock for writing */
export function isOwner(cpu: Cpu, owner: number): boolean {
  return (owner & ~READERS_NONSPINNABLE) === cpu.base
}

/** @param owner the word `owner` when this CPU is about to release the write lock */
export function assertOwner(cpu: Cpu, owner: number): void {
  bugOn(!isOwner(cpu, owner), `CPU ${cpu.id} releases a write lock that it does not hold`)
}

/**
 * `owner_on_cpu`: the writer that `owner` names does not sleep in the kernel. Whether the host runs its thread cannot
 * be seen.
 */
export function ownerRuns(cpu: Cpu, owner: number): boolean {
  return Atomics.load(cpu.heap, (owner & ~OWNER_FLAGS) + PerCpu.asleep) === 0
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

/**
 * Takes readers out of the queue, whose first waiter is a reader, and links them. The wait lock is held.
 *
 * @param overWriters true: all readers of the queue, as since 5.3; false: those in front of the first writer
 * @returns how many; the first of them was the first of the queue
 */
export function takeReaders(cpu: Cpu, sem: number, overWriters: boolean): number {
  const { heap } = cpu
  let readers = 0
  let last = 0
  for (let waiter = heap[sem + Rwsem.waitFirst]; waiter !== 0;) {
    const next = heap[waiter + PerCpu.waiterNext]
    if (heap[waiter + PerCpu.waiterKind] === WAITING_FOR_READ) {
      dequeueWaiter(cpu, sem, waiter)
      heap[waiter + PerCpu.waiterNext] = 0
      if (last !== 0) heap[last + PerCpu.waiterNext] = waiter
      last = waiter
      readers++
    } else if (!overWriters) break
    waiter = next
  }
  return readers
}

// Whom to wake. WAKE_ANY: the first writer, or readers. WAKE_READERS: only readers. WAKE_READ_OWNED: only readers, and
// the caller holds the lock for reading itself.
export const WAKE_ANY = 0
export const WAKE_READERS = 1
export const WAKE_READ_OWNED = 2

// ---------------------------------------------------------------------------------------------------------------------
// For the forms in which a thread that is woken need not own the lock. The waker chooses waiters under the wait lock
// and wakes them after it has dropped it. So the word that a CPU sleeps on (`waiterWake`) is not the one that says
// whether it was given the lock (`waiterTask`).

/**
 * Sleeps until a waker, which has counted this reader, clears `waiterTask`. A wake-up that was meant for an earlier
 * wait may come before.
 */
export function sleepUntilLetIn(cpu: Cpu, sem: number): void {
  const { heap, base } = cpu
  cpu.tracepoints?.contentionBegin(sem, false)
  for (;;) {
    prepareToSleep(cpu, base + PerCpu.waiterWake)
    if (Atomics.load(heap, base + PerCpu.waiterTask) === 0) break
    sleepUntilWoken(cpu, base + PerCpu.waiterWake)
  }
  cpu.tracepoints?.contentionEnd(sem)
}

/**
 * @param marked 0: nobody; above 0: the first of a list of readers, which get the lock; below: minus a writer, which
 * stays queued
 */
export function wakeMarked(cpu: Cpu, marked: number): void {
  if (marked < 0) {
    wakeUp(cpu, -marked + PerCpu.waiterWake)
    return
  }
  for (let waiter = marked; waiter !== 0;) {
    // The link is read before the reader is let in, since it may queue again at once; it is let in before it is woken.
    const next = cpu.heap[waiter + PerCpu.waiterNext]
    Atomics.store(cpu.heap, waiter + PerCpu.waiterTask, 0)
    wakeUp(cpu, waiter + PerCpu.waiterWake)
    waiter = next
  }
}
