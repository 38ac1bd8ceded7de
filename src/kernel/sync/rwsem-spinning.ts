// The reader-writer semaphore of Linux since 5.3, with what later releases mended (kernel/locking/rwsem.c of 6.17). See
// docs/semaphores.md, which goes through it step by step.
//
// A waiter that was woken does not own the lock: it competes for it with whoever is running (a writer), or was counted
// before it was woken (a reader). So the lock is seldom idle while the host brings a sleeper back.
//
//   count   bit 0  WRITER_LOCKED
//           bit 1  WAITERS   somebody queues. Who comes goes the slow way
//           bit 2  HANDOFF   the first in the queue was passed over too often: nobody else may take the lock
//           bit 8- readers, of which some may be about to take their count back
//   owner   the writer's CPU, or 0; bit 0 READER_OWNED: a reader holds it or was the last to do so;
//           bit 1 NONSPINNABLE: readers hold it for long
//
// WAITERS and HANDOFF change only with the wait lock held.
//
// Linux bounds spinning by time, by its scheduler and by a queue of spinners. The kernel here knows no clock and cannot
// see whether the host runs the owner's thread, hence rounds. And one word says who spins: any contender may queue
// instead of spinning at any time, so that which of them spin is a question of speed alone. One is enough to take the
// lock over while sleepers come back, and more would take their cores from the owner.

import { type Cpu, cpuRelax, perCpuBase } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { prepareToSleep, sleepUntilWoken } from '../machine/sleep.ts'
import {
  Rwsem,
  WAITING_FOR_READ,
  WAITING_FOR_WRITE,
  assertOwner,
  dequeueWaiter,
  enqueueWaiter,
  ownerTag,
  sleepUntilLetIn,
  wakeMarked,
} from './rwsem-queue.ts'
import { spinLockIrq, spinUnlockIrq } from './spinlock.ts'

const WRITER_LOCKED = 1
const FLAG_WAITERS = 2
export const FLAG_HANDOFF = 4
const READER_SHIFT = 8
const READER_BIAS = 1 << READER_SHIFT
const READER_MASK = -READER_BIAS
const LOCK_MASK = WRITER_LOCKED | READER_MASK
const READ_FAILED_MASK = WRITER_LOCKED | FLAG_WAITERS | FLAG_HANDOFF

const READER_OWNED = 1
const NONSPINNABLE = 2
const OWNER_FLAGS = READER_OWNED | NONSPINNABLE

/** How often a spinner looks before it queues; in Linux until the scheduler wants the CPU, or 25 µs for readers. */
const SPIN_ROUNDS = 100
/** How often a waiter is woken, or was to be let in, for nothing before the lock is handed to it; in Linux 4 ms. */
const HANDOFF_TRIES = 4

// Whom markWake() may wake: the first writer or readers; readers; readers, as the caller owns the lock for reading.
const WAKE_ANY = 0
const WAKE_READERS = 1
const WAKE_READ_OWNED = 2

// ---------------------------------------------------------------------------------------------------------------------
// Readers

export function spinningDownRead(cpu: Cpu, sem: number): void {
  const count = Atomics.add(cpu.heap, sem, READER_BIAS) + READER_BIAS
  if ((count & READ_FAILED_MASK) === 0) setReaderOwned(cpu, sem)
  else downReadSlow(cpu, sem, count)
}

export function spinningDownReadTryLock(cpu: Cpu, sem: number): boolean {
  // As in Linux, it is taken to be free: so its line travels once, to be written, and not to be read before.
  let count = 0
  while ((count & READ_FAILED_MASK) === 0) {
    const before = Atomics.compareExchange(cpu.heap, sem, count, count + READER_BIAS)
    if (before === count) {
      setReaderOwned(cpu, sem)
      return true
    }
    count = before
  }
  return false
}

export function spinningUpRead(cpu: Cpu, sem: number): void {
  const count = Atomics.sub(cpu.heap, sem, READER_BIAS) - READER_BIAS
  if ((count & (LOCK_MASK | FLAG_WAITERS)) !== FLAG_WAITERS) return
  clearNonspinnable(cpu, sem)
  wakeQueue(cpu, sem, WAKE_ANY)
}

/** The fast path has counted this reader: `count` is what it found, itself included. */
function downReadSlow(cpu: Cpu, sem: number, count: number): void {
  if (mayStealForRead(cpu, sem, count)) {
    setReaderOwned(cpu, sem)
    const firstReader = (count & READER_MASK) === READER_BIAS
    if (firstReader && (count & FLAG_WAITERS) !== 0) wakeQueue(cpu, sem, WAKE_READ_OWNED)
    return
  }
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  let adjustment = -READER_BIAS
  if (heap[sem + Rwsem.waitFirst] === 0) {
    // The writer has left meanwhile: this reader is counted, and who comes after it sees that.
    if ((Atomics.load(heap, sem) & WRITER_LOCKED) === 0) {
      spinUnlockIrq(cpu, sem + Rwsem.waitLock)
      setReaderOwned(cpu, sem)
      return
    }
    adjustment += FLAG_WAITERS
  }
  heap[cpu.base + PerCpu.waiterTries] = 0
  enqueueWaiter(cpu, sem, WAITING_FOR_READ)
  // In one operation it is counted no more and waits: the last reader to leave may have taken it for one that is in.
  const marked = markForCount(cpu, sem, Atomics.add(heap, sem, adjustment) + adjustment)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  wakeMarked(cpu, marked)
  sleepUntilLetIn(cpu, sem)
}

/** A reader may go past the queue, unless readers have the lock: a stream of them would starve the writers there. */
function mayStealForRead(cpu: Cpu, sem: number, count: number): boolean {
  if ((count & (WRITER_LOCKED | FLAG_HANDOFF)) !== 0) return false
  const others = (count & READER_MASK) !== READER_BIAS
  return !others || (Atomics.load(cpu.heap, sem + Rwsem.owner) & READER_OWNED) === 0
}

// ---------------------------------------------------------------------------------------------------------------------
// Writers

export function spinningDownWrite(cpu: Cpu, sem: number): void {
  if (Atomics.compareExchange(cpu.heap, sem, 0, WRITER_LOCKED) !== 0 && !spinForWrite(cpu, sem)) {
    cpu.tracepoints?.contentionBegin(sem, true)
    queueForWrite(cpu, sem)
    cpu.tracepoints?.contentionEnd(sem)
  }
  // Between the two, spinners take the lock for one without an owner, which is no harm: they look at the count too.
  Atomics.store(cpu.heap, sem + Rwsem.owner, ownerTag(cpu))
}

export function spinningUpWrite(cpu: Cpu, sem: number): void {
  assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
  // Before the count: the next writer's name must stay.
  Atomics.store(cpu.heap, sem + Rwsem.owner, 0)
  if ((Atomics.sub(cpu.heap, sem, WRITER_LOCKED) & FLAG_WAITERS) !== 0) wakeQueue(cpu, sem, WAKE_ANY)
}

export function spinningDowngradeWrite(cpu: Cpu, sem: number): void {
  assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
  const before = Atomics.add(cpu.heap, sem, READER_BIAS - WRITER_LOCKED)
  setReaderOwned(cpu, sem)
  if ((before & FLAG_WAITERS) !== 0) wakeQueue(cpu, sem, WAKE_READ_OWNED)
}

function queueForWrite(cpu: Cpu, sem: number): void {
  const { heap, base } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  enqueueWaiter(cpu, sem, WAITING_FOR_WRITE)
  if (heap[sem + Rwsem.waitFirst] === base) Atomics.or(heap, sem, FLAG_WAITERS)
  else {
    // Readers in front of it may be let in by now.
    const marked = markForCount(cpu, sem, Atomics.load(heap, sem))
    if (marked !== 0) {
      spinUnlockIrq(cpu, sem + Rwsem.waitLock)
      wakeMarked(cpu, marked)
      spinLockIrq(cpu, sem + Rwsem.waitLock)
    }
  }
  for (let tries = 0; ; tries++) {
    // Before it looks: who leaves from now on wakes it, even if it does not sleep yet.
    prepareToSleep(cpu, base + PerCpu.waiterWake)
    if (tryWriteLock(cpu, sem, tries)) break
    const isHandedToMe =
      heap[sem + Rwsem.waitFirst] === base && (Atomics.load(heap, sem) & FLAG_HANDOFF) !== 0
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    if (!isHandedToMe || !spinForHandoff(cpu, sem)) sleepUntilWoken(cpu, base + PerCpu.waiterWake)
    spinLockIrq(cpu, sem + Rwsem.waitLock)
  }
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

/** `rwsem_try_write_lock`: takes the lock and leaves the queue; or, after too many tries, asks for a hand-off. */
function tryWriteLock(cpu: Cpu, sem: number, tries: number): boolean {
  const { heap, base } = cpu
  const first = heap[sem + Rwsem.waitFirst]
  const isAlone = first === base && heap[base + PerCpu.waiterNext] === 0
  for (;;) {
    const count = Atomics.load(heap, sem)
    if ((count & FLAG_HANDOFF) !== 0 && first !== base) return false
    if ((count & LOCK_MASK) !== 0) {
      if ((count & FLAG_HANDOFF) !== 0 || tries < HANDOFF_TRIES) return false
      // For the first, even if this CPU is not.
      if (Atomics.compareExchange(heap, sem, count, count | FLAG_HANDOFF) === count) return false
      continue
    }
    const taken = (count | WRITER_LOCKED) & ~(isAlone ? FLAG_HANDOFF | FLAG_WAITERS : FLAG_HANDOFF)
    if (Atomics.compareExchange(heap, sem, count, taken) === count) break
  }
  dequeueWaiter(cpu, sem, base)
  return true
}

// ---------------------------------------------------------------------------------------------------------------------
// Spinning

/** `rwsem_optimistic_spin`: tries to take the lock past the queue while its owner is likely to leave soon. */
function spinForWrite(cpu: Cpu, sem: number): boolean {
  const { heap } = cpu
  if (!isSpinnable(cpu, sem)) return false
  if (Atomics.compareExchange(heap, sem + Rwsem.spinner, 0, cpu.id + 1) !== 0) return false
  let taken = false
  for (let round = 0; ; round++) {
    taken = tryWriteLockUnqueued(cpu, sem)
    if (taken || !isSpinnable(cpu, sem)) break
    if (round === SPIN_ROUNDS) {
      setNonspinnable(cpu, sem)
      break
    }
    cpuRelax(cpu)
  }
  Atomics.store(heap, sem + Rwsem.spinner, 0)
  return taken
}

/** Takes the lock if it is free and not to be handed over, whether somebody waits or not. */
function tryWriteLockUnqueued(cpu: Cpu, sem: number): boolean {
  for (;;) {
    const count = Atomics.load(cpu.heap, sem)
    if ((count & (LOCK_MASK | FLAG_HANDOFF)) !== 0) return false
    if (Atomics.compareExchange(cpu.heap, sem, count, count | WRITER_LOCKED) === count) return true
  }
}

/** The lock is to be handed to this CPU: waits a while for it to become free. Returns whether it was seen to be. */
function spinForHandoff(cpu: Cpu, sem: number): boolean {
  for (let round = 0; round < SPIN_ROUNDS; round++) {
    if ((Atomics.load(cpu.heap, sem) & LOCK_MASK) === 0) return true
    if (!isSpinnable(cpu, sem)) return false
    cpuRelax(cpu)
  }
  return false
}

/**
 * `rwsem_can_spin_on_owner`: readers do not hold the lock for long, as far as is known, and a writer does not sleep. A
 * lock that names no owner changes hands.
 */
function isSpinnable(cpu: Cpu, sem: number): boolean {
  const owner = Atomics.load(cpu.heap, sem + Rwsem.owner)
  if ((owner & OWNER_FLAGS) !== 0 || owner === 0) return (owner & NONSPINNABLE) === 0
  return Atomics.load(cpu.heap, perCpuBase(cpu.heap, (owner >> 2) - 1) + PerCpu.asleep) === 0
}

function setNonspinnable(cpu: Cpu, sem: number): void {
  Atomics.compareExchange(cpu.heap, sem + Rwsem.owner, READER_OWNED, READER_OWNED | NONSPINNABLE)
}

/** The lock may have an owner by now, whose name has no such bit. */
function clearNonspinnable(cpu: Cpu, sem: number): void {
  if ((Atomics.load(cpu.heap, sem + Rwsem.owner) & NONSPINNABLE) !== 0)
    Atomics.and(cpu.heap, sem + Rwsem.owner, ~NONSPINNABLE)
}

/** A reader has the lock. Not its name, which Linux writes for debugging: so readers of one phase write this once. */
function setReaderOwned(cpu: Cpu, sem: number): void {
  if ((Atomics.load(cpu.heap, sem + Rwsem.owner) & READER_OWNED) === 0)
    Atomics.store(cpu.heap, sem + Rwsem.owner, READER_OWNED)
}

// ---------------------------------------------------------------------------------------------------------------------
// Waking

function wakeQueue(cpu: Cpu, sem: number, kind: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  const marked = cpu.heap[sem + Rwsem.waitFirst] === 0 ? 0 : markWake(cpu, sem, kind)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  wakeMarked(cpu, marked)
}

/** `rwsem_cond_wake_waiter`: marks whom `count` lets in. */
function markForCount(cpu: Cpu, sem: number, count: number): number {
  if ((count & WRITER_LOCKED) !== 0) return 0
  if ((count & READER_MASK) !== 0) return markWake(cpu, sem, WAKE_READERS)
  clearNonspinnable(cpu, sem)
  return markWake(cpu, sem, WAKE_ANY)
}

/** `rwsem_mark_wake`: whom to wake, see wakeMarked(). The queue is not empty. */
function markWake(cpu: Cpu, sem: number, kind: number): number {
  const { heap } = cpu
  const first = heap[sem + Rwsem.waitFirst]
  if (heap[first + PerCpu.waiterKind] === WAITING_FOR_WRITE) return kind === WAKE_ANY ? -first : 0
  const claimed = kind === WAKE_READ_OWNED ? 0 : READER_BIAS
  if (claimed !== 0 && !claimForReaders(cpu, sem, first)) return 0
  const readers = takeReaders(cpu, sem)
  let adjustment = readers * READER_BIAS - claimed
  if (heap[sem + Rwsem.waitFirst] === 0) adjustment -= FLAG_WAITERS
  if ((Atomics.load(heap, sem) & FLAG_HANDOFF) !== 0) adjustment -= FLAG_HANDOFF
  // All are counted before any is let in: it may leave at once.
  Atomics.add(heap, sem, adjustment)
  return first
}

/** Keeps writers out, unless one has stolen the lock. Returns whether the reader `first` of the queue may be let in. */
function claimForReaders(cpu: Cpu, sem: number, first: number): boolean {
  const { heap } = cpu
  const before = Atomics.add(heap, sem, READER_BIAS)
  if ((before & WRITER_LOCKED) === 0) {
    setReaderOwned(cpu, sem)
    return true
  }
  let adjustment = -READER_BIAS
  const tries = ++heap[first + PerCpu.waiterTries]
  if (tries >= HANDOFF_TRIES && (before & FLAG_HANDOFF) === 0) adjustment += FLAG_HANDOFF
  // If that writer has left meanwhile, it has seen that somebody waits, and waits for the wait lock.
  Atomics.add(heap, sem, adjustment)
  return false
}

/**
 * Takes all readers out of the queue, over the writers between them, and links them from the first on, which is the
 * first of the queue. Returns how many they are.
 */
function takeReaders(cpu: Cpu, sem: number): number {
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
    }
    waiter = next
  }
  return readers
}
