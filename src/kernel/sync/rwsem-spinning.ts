// The reader-writer semaphore of Linux since 5.11, with what later releases mended (kernel/locking/rwsem.c of 6.17).
// docs/semaphores.md goes through it step by step. What 5.3 to 5.10 did otherwise is in rwsem-reader-spinning.ts.
//
// A writer that is woken does not own the lock: it competes for it with threads that are running. A reader that is
// woken has been counted before. So the lock is seldom idle while the host brings a sleeper back.
//
//   count   bit 0  WRITER_LOCKED
//           bit 1  WAITERS   somebody queues. Who comes goes the slow way
//           bit 2  HANDOFF   the first in the queue was passed over too often: nobody else may take the lock
//           bit 8- readers, of which some may be about to take their count back
//   owner   the writer's CPU, or 0; READER_OWNED: a reader holds it or was the last to do so;
//           NONSPINNABLE: readers hold it for long
//
// WAITERS and HANDOFF change only with the wait lock held.
//
// Linux bounds spinning by time, by its scheduler and by a queue of spinners. The kernel here knows no clock and cannot
// see whether the host runs the owner's thread, hence rounds. One word names the CPU that spins, and other contenders
// queue. Any contender may queue at any time instead of spinning, so this affects only the speed: one spinner is enough
// to take the lock over while sleepers come back, and more of them would take cores from the owner.

import { type Cpu, NEED_RESCHED, SPUN_FOR_READERS, cpuRelax, spinAdvice } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { prepareToSleep, sleepUntilWoken } from '../machine/sleep.ts'
import {
  NONSPINNABLE,
  OWNER_FLAGS,
  READERS_NONSPINNABLE,
  READER_OWNED,
  Rwsem,
  WAITING_FOR_READ,
  WAITING_FOR_WRITE,
  WAKE_ANY,
  WAKE_READERS,
  WAKE_READ_OWNED,
  assertOwner,
  dequeueWaiter,
  enqueueWaiter,
  ownerRuns,
  sleepUntilLetIn,
  takeReaders,
  wakeMarked,
} from './rwsem-queue.ts'
import { spinLockIrq, spinUnlockIrq } from './spinlock.ts'

export const WRITER_LOCKED = 1
export const FLAG_WAITERS = 2
export const FLAG_HANDOFF = 4
const READER_SHIFT = 8
export const READER_BIAS = 1 << READER_SHIFT
const READER_MASK = -READER_BIAS

/** How many readers a count has. */
export function readersOf(count: number): number {
  return count >> READER_SHIFT
}

export const LOCK_MASK = WRITER_LOCKED | READER_MASK
const READ_FAILED_MASK = WRITER_LOCKED | FLAG_WAITERS | FLAG_HANDOFF

/**
 * How often a spinner looks before it queues. Linux spins until the scheduler wants the CPU, or 25 µs where readers
 * hold the lock.
 */
export const SPIN_ROUNDS = 100
/** How often a waiter fails to get the lock before it asks for a hand-off; in Linux, it waits 4 ms. */
const HANDOFF_TRIES = 4

/** The object has no state: that is in the struct of each semaphore. */
export class SpinningRwsem {
  // -------------------------------------------------------------------------------------------------------------------
  // Readers

  downRead(cpu: Cpu, sem: number): void {
    const count = Atomics.add(cpu.heap, sem, READER_BIAS) + READER_BIAS
    if ((count & READ_FAILED_MASK) === 0) this.setReaderOwned(cpu, sem)
    else this.downReadSlow(cpu, sem, count)
  }

  downReadTryLock(cpu: Cpu, sem: number): boolean {
    // The first compare-and-swap assumes that the lock is free, as in Linux until 5.16: so its cache line travels once,
    // to be written. Since 5.17 Linux looks first (14c240488411): the line travels to be read, and again to be written,
    // unless the fault has requested it before.
    let count = cpu.heap[Header.looksFirst] === 0 ? 0 : Atomics.load(cpu.heap, sem)
    while ((count & READ_FAILED_MASK) === 0) {
      const before = Atomics.compareExchange(cpu.heap, sem, count, count + READER_BIAS)
      if (before === count) {
        this.setReaderOwned(cpu, sem)
        return true
      }
      count = before
    }
    return false
  }

  upRead(cpu: Cpu, sem: number): void {
    const count = Atomics.sub(cpu.heap, sem, READER_BIAS) - READER_BIAS
    if ((count & (LOCK_MASK | FLAG_WAITERS)) !== FLAG_WAITERS) return
    this.clearNonspinnable(cpu, sem)
    this.wakeQueue(cpu, sem, WAKE_ANY)
  }

  /** The fast path has counted this reader: `count` is what it found, itself included. */
  protected downReadSlow(cpu: Cpu, sem: number, count: number): void {
    if (!this.mayStealForRead(cpu, sem, count)) {
      this.queueForRead(cpu, sem, true)
      return
    }
    this.setReaderOwned(cpu, sem)
    const firstReader = (count & READER_MASK) === READER_BIAS
    if (firstReader && (count & FLAG_WAITERS) !== 0) this.wakeQueue(cpu, sem, WAKE_READ_OWNED)
  }

  /**
   * A reader may go past the queue, unless readers hold the lock: a stream of them would starve the writers in the
   * queue.
   */
  private mayStealForRead(cpu: Cpu, sem: number, count: number): boolean {
    if ((count & (WRITER_LOCKED | FLAG_HANDOFF)) !== 0) return false
    const others = (count & READER_MASK) !== READER_BIAS
    return !others || (Atomics.load(cpu.heap, sem + Rwsem.owner) & READER_OWNED) === 0
  }

  /** @param isCounted whether `count` has this reader already, from the fast path */
  protected queueForRead(cpu: Cpu, sem: number, isCounted: boolean): void {
    const { heap } = cpu
    spinLockIrq(cpu, sem + Rwsem.waitLock)
    const isFirst = heap[sem + Rwsem.waitFirst] === 0
    // The writer has left meanwhile. This reader is counted already, and threads that come later see that.
    if (isFirst && isCounted && (Atomics.load(heap, sem) & WRITER_LOCKED) === 0) {
      spinUnlockIrq(cpu, sem + Rwsem.waitLock)
      this.setReaderOwned(cpu, sem)
      return
    }
    heap[cpu.base + PerCpu.waiterTries] = 0
    enqueueWaiter(cpu, sem, WAITING_FOR_READ)
    // One operation takes the count back and sets WAITERS. The last reader to leave may have counted this one as a
    // holder and woken no thread; so this CPU looks at the result.
    const adjustment = (isFirst ? FLAG_WAITERS : 0) - (isCounted ? READER_BIAS : 0)
    const count = adjustment === 0 ? Atomics.load(heap, sem) : Atomics.add(heap, sem, adjustment) + adjustment
    const marked = this.markForReader(cpu, sem, count, isFirst)
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    wakeMarked(cpu, marked)
    sleepUntilLetIn(cpu, sem)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writers

  downWrite(cpu: Cpu, sem: number): void {
    let flags = 0
    if (Atomics.compareExchange(cpu.heap, sem, 0, WRITER_LOCKED) !== 0 && !this.spinForWrite(cpu, sem))
      flags = this.queueForWrite(cpu, sem)
    // Until then spinners see a lock without an owner, which does no harm: they look at the count too.
    Atomics.store(cpu.heap, sem + Rwsem.owner, cpu.base | flags)
  }

  upWrite(cpu: Cpu, sem: number): void {
    assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
    // Before the count: afterwards it could overwrite the next writer's name.
    Atomics.store(cpu.heap, sem + Rwsem.owner, 0)
    if ((Atomics.sub(cpu.heap, sem, WRITER_LOCKED) & FLAG_WAITERS) !== 0) this.wakeQueue(cpu, sem, WAKE_ANY)
  }

  downgradeWrite(cpu: Cpu, sem: number): void {
    assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
    const before = Atomics.add(cpu.heap, sem, READER_BIAS - WRITER_LOCKED)
    this.setReaderOwned(cpu, sem)
    if ((before & FLAG_WAITERS) !== 0) this.wakeQueue(cpu, sem, WAKE_READ_OWNED)
  }

  /** Queues, and returns when it has the lock: the flags that `owner` is to have beside this CPU's name. */
  protected queueForWrite(cpu: Cpu, sem: number): number {
    const { heap, base } = cpu
    cpu.tracepoints?.contentionBegin(sem, true)
    spinLockIrq(cpu, sem + Rwsem.waitLock)
    enqueueWaiter(cpu, sem, WAITING_FOR_WRITE)
    if (heap[sem + Rwsem.waitFirst] === base) Atomics.or(heap, sem, FLAG_WAITERS)
    else {
      // Readers in front of this writer may be let in by now.
      const marked = this.markForCount(cpu, sem, Atomics.load(heap, sem))
      if (marked !== 0) {
        spinUnlockIrq(cpu, sem + Rwsem.waitLock)
        wakeMarked(cpu, marked)
        spinLockIrq(cpu, sem + Rwsem.waitLock)
      }
    }
    for (let tries = 0; ; tries++) {
      // Before the check: a holder that leaves from now on wakes this CPU, even if it does not sleep yet.
      prepareToSleep(cpu, base + PerCpu.waiterWake)
      if (this.tryWriteLock(cpu, sem, tries)) break
      const isHandedToMe =
        heap[sem + Rwsem.waitFirst] === base && (Atomics.load(heap, sem) & FLAG_HANDOFF) !== 0
      spinUnlockIrq(cpu, sem + Rwsem.waitLock)
      if (!isHandedToMe || !this.spinForHandoff(cpu, sem)) sleepUntilWoken(cpu, base + PerCpu.waiterWake)
      spinLockIrq(cpu, sem + Rwsem.waitLock)
    }
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    cpu.tracepoints?.contentionEnd(sem)
    return 0
  }

  /** `rwsem_try_write_lock`: takes the lock and leaves the queue; or, after too many tries, asks for a hand-off. */
  private tryWriteLock(cpu: Cpu, sem: number, tries: number): boolean {
    const { heap, base } = cpu
    const first = heap[sem + Rwsem.waitFirst]
    const isAlone = first === base && heap[base + PerCpu.waiterNext] === 0
    for (;;) {
      const count = Atomics.load(heap, sem)
      if ((count & FLAG_HANDOFF) !== 0 && first !== base) return false
      if ((count & LOCK_MASK) !== 0) {
        if ((count & FLAG_HANDOFF) !== 0 || tries < HANDOFF_TRIES) return false
        if (!this.mayAskForHandoff(first === base)) return false
        if (Atomics.compareExchange(heap, sem, count, count | FLAG_HANDOFF) === count) return false
        continue
      }
      const taken = (count | WRITER_LOCKED) & ~(isAlone ? FLAG_HANDOFF | FLAG_WAITERS : FLAG_HANDOFF)
      if (Atomics.compareExchange(heap, sem, count, taken) === count) break
    }
    dequeueWaiter(cpu, sem, base)
    return true
  }

  /**
   * Any writer that has waited for long asks, on behalf of the first of the queue, which may be another (5.16,
   * d257cc8cb8d5).
   */
  protected mayAskForHandoff(_isFirst: boolean): boolean {
    return true
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Spinning

  /** `rwsem_optimistic_spin`: tries to take the lock past the queue while its owner is likely to leave soon. */
  private spinForWrite(cpu: Cpu, sem: number): boolean {
    if (!this.isSpinnable(cpu, sem, NONSPINNABLE) || !this.beginSpin(cpu, sem)) return false
    let taken = false
    for (let round = 0; ; round++) {
      taken = this.tryWriteLockUnqueued(cpu, sem)
      if (taken || !this.isSpinnable(cpu, sem, NONSPINNABLE)) break
      if (round === SPIN_ROUNDS) {
        this.setNonspinnable(cpu, sem)
        break
      }
      cpuRelax(cpu)
    }
    this.endSpin(cpu, sem)
    return taken
  }

  /** Makes this CPU the one that spins. Returns false if another is. */
  protected beginSpin(cpu: Cpu, sem: number): boolean {
    return Atomics.compareExchange(cpu.heap, sem + Rwsem.spinner, 0, cpu.id + 1) === 0
  }

  protected endSpin(cpu: Cpu, sem: number): void {
    Atomics.store(cpu.heap, sem + Rwsem.spinner, 0)
  }

  /** Takes the lock, past the queue, if it is free and HANDOFF is not set. */
  private tryWriteLockUnqueued(cpu: Cpu, sem: number): boolean {
    for (;;) {
      const count = Atomics.load(cpu.heap, sem)
      if ((count & (LOCK_MASK | FLAG_HANDOFF)) !== 0) return false
      if (Atomics.compareExchange(cpu.heap, sem, count, count | WRITER_LOCKED) === count) return true
    }
  }

  /** HANDOFF is set for this CPU: waits a while for the lock to become free. Returns whether it has seen that. */
  private spinForHandoff(cpu: Cpu, sem: number): boolean {
    for (let round = 0; round < SPIN_ROUNDS; round++) {
      if ((Atomics.load(cpu.heap, sem) & LOCK_MASK) === 0) return true
      if (!this.isSpinnable(cpu, sem, NONSPINNABLE | READERS_NONSPINNABLE)) return false
      cpuRelax(cpu)
    }
    return false
  }

  /**
   * `rwsem_can_spin_on_owner`: readers are not known to hold the lock for long, and a writer does not sleep. A lock
   * without an owner is changing hands.
   *
   * @param nonspinnable the flags of `owner` that forbid this contender to spin
   */
  protected isSpinnable(cpu: Cpu, sem: number, nonspinnable: number): boolean {
    const advice = spinAdvice(cpu)
    if ((advice & NEED_RESCHED) !== 0) return false
    const owner = Atomics.load(cpu.heap, sem + Rwsem.owner)
    if ((owner & nonspinnable) !== 0) return false
    if ((advice & SPUN_FOR_READERS) !== 0 && (owner & READER_OWNED) !== 0) {
      this.setNonspinnable(cpu, sem)
      return false
    }
    return (owner & READER_OWNED) !== 0 || (owner & ~OWNER_FLAGS) === 0 || ownerRuns(cpu, owner)
  }

  protected setNonspinnable(cpu: Cpu, sem: number): void {
    Atomics.compareExchange(cpu.heap, sem + Rwsem.owner, READER_OWNED, READER_OWNED | NONSPINNABLE)
  }

  /** By an atomic `and`: a writer may own the lock by now, whose name does not have this bit. */
  private clearNonspinnable(cpu: Cpu, sem: number): void {
    if ((Atomics.load(cpu.heap, sem + Rwsem.owner) & NONSPINNABLE) !== 0)
      Atomics.and(cpu.heap, sem + Rwsem.owner, ~NONSPINNABLE)
  }

  /**
   * A reader has the lock. Linux also writes its name, for debugging; without it, the readers of one phase write once.
   */
  protected setReaderOwned(cpu: Cpu, sem: number): void {
    if ((Atomics.load(cpu.heap, sem + Rwsem.owner) & READER_OWNED) === 0)
      Atomics.store(cpu.heap, sem + Rwsem.owner, READER_OWNED)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Waking

  protected wakeQueue(cpu: Cpu, sem: number, kind: number): void {
    spinLockIrq(cpu, sem + Rwsem.waitLock)
    const marked = cpu.heap[sem + Rwsem.waitFirst] === 0 ? 0 : this.markWake(cpu, sem, kind)
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    wakeMarked(cpu, marked)
  }

  /** A reader has queued, and `count` is what it found: marks the waiters that may take the lock. */
  protected markForReader(cpu: Cpu, sem: number, count: number, _isFirst: boolean): number {
    return this.markForCount(cpu, sem, count)
  }

  /** `rwsem_cond_wake_waiter`: marks the waiters that may take the lock, by `count`. */
  protected markForCount(cpu: Cpu, sem: number, count: number): number {
    if ((count & WRITER_LOCKED) !== 0) return 0
    if ((count & READER_MASK) !== 0) return this.markWake(cpu, sem, WAKE_READERS)
    this.clearNonspinnable(cpu, sem)
    return this.markWake(cpu, sem, WAKE_ANY)
  }

  /** `rwsem_mark_wake`: whom to wake, see wakeMarked(). The queue is not empty. */
  private markWake(cpu: Cpu, sem: number, kind: number): number {
    const { heap } = cpu
    const first = heap[sem + Rwsem.waitFirst]
    if (heap[first + PerCpu.waiterKind] === WAITING_FOR_WRITE) return kind === WAKE_ANY ? -first : 0
    const claimed = kind === WAKE_READ_OWNED ? 0 : READER_BIAS
    if (claimed !== 0 && !this.claimForReaders(cpu, sem, first)) return 0
    const readers = takeReaders(cpu, sem, true)
    let adjustment = readers * READER_BIAS - claimed
    if (heap[sem + Rwsem.waitFirst] === 0) adjustment -= FLAG_WAITERS
    if ((Atomics.load(heap, sem) & FLAG_HANDOFF) !== 0) adjustment -= FLAG_HANDOFF
    // All readers are counted before the first is let in, which may leave at once.
    Atomics.add(heap, sem, adjustment)
    return first
  }

  /**
   * Counts one reader to keep writers out. If a writer has stolen the lock, takes that back and returns false: the
   * reader `first` of the queue must wait.
   */
  private claimForReaders(cpu: Cpu, sem: number, first: number): boolean {
    const { heap } = cpu
    const before = Atomics.add(heap, sem, READER_BIAS)
    if ((before & WRITER_LOCKED) === 0) {
      this.setOwnedByWaiter(cpu, sem, first)
      return true
    }
    let adjustment = -READER_BIAS
    const tries = ++heap[first + PerCpu.waiterTries]
    if (tries >= HANDOFF_TRIES && (before & FLAG_HANDOFF) === 0) adjustment += FLAG_HANDOFF
    // If that writer has left meanwhile, it has seen WAITERS, and wakes the queue as soon as it gets the wait lock.
    Atomics.add(heap, sem, adjustment)
    return false
  }

  /** The reader `first` of the queue is about to be let in: writes `owner` early, for spinners. */
  protected setOwnedByWaiter(cpu: Cpu, sem: number, _first: number): void {
    this.setReaderOwned(cpu, sem)
  }
}
