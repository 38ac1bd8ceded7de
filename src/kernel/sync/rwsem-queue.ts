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

/** Of the struct. What it says of readers is a hint. */
export const RWSEM_OWNER_WORD = Rwsem.owner

export const WAITING_FOR_READ = 1
export const WAITING_FOR_WRITE = 2

// Flags of `owner`, in the lowest bits of an address: that a reader holds the lock or was the last to do so (4.7); that
// writers do not spin, as readers have it for long (5.3); and that readers do not (5.3 to 5.10).
export const READER_OWNED = 1
export const NONSPINNABLE = 2
export const READERS_NONSPINNABLE = 4
export const OWNER_FLAGS = READER_OWNED | NONSPINNABLE | READERS_NONSPINNABLE

/** @param owner what `owner` says; true while this CPU holds the lock for writing */
export function isOwner(cpu: Cpu, owner: number): boolean {
  return (owner & ~READERS_NONSPINNABLE) === cpu.base
}

/** @param owner what `owner` says as this CPU is about to release the write lock */
export function assertOwner(cpu: Cpu, owner: number): void {
  bugOn(!isOwner(cpu, owner), `CPU ${cpu.id} releases a write lock that it does not hold`)
}

/** `owner_on_cpu`: the writer that `owner` names does not sleep in the kernel. That the host runs it cannot be seen. */
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
 * Takes readers out of the queue, of which the first waits for reading, and links them. The wait lock is held.
 *
 * @param overWriters all of the queue, as since 5.3; else those in front of the first writer
 * @returns how many they are; the first of the queue is the first of them
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

// Whom a form may wake: the first writer or readers; readers; readers, as the caller owns the lock for reading.
export const WAKE_ANY = 0
export const WAKE_READERS = 1
export const WAKE_READ_OWNED = 2

// ---------------------------------------------------------------------------------------------------------------------
// Where who is woken does not own the lock: whom to wake is decided under the wait lock, and woken without it. The word
// that a CPU sleeps on is therefore not the one that says whether it was let in.

/** A reader sleeps until who has counted it lets it in. It may be woken for nothing, by who meant a wait before. */
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

/** @param marked 0 for nobody, the first of a list of readers to be let in, or minus a writer, which stays queued */
export function wakeMarked(cpu: Cpu, marked: number): void {
  if (marked < 0) {
    wakeUp(cpu, -marked + PerCpu.waiterWake)
    return
  }
  for (let waiter = marked; waiter !== 0;) {
    // Read before it is let in, since it may queue again at once; and let in before it is woken.
    const next = cpu.heap[waiter + PerCpu.waiterNext]
    Atomics.store(cpu.heap, waiter + PerCpu.waiterTask, 0)
    wakeUp(cpu, waiter + PerCpu.waiterWake)
    waiter = next
  }
}
