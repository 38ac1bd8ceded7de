// The reader-writer semaphore of Linux 5.3 to 5.10 (kernel/locking/rwsem.c of 5.4 and 5.10), in which readers spin too.
// It is that of rwsem-spinning.ts but for:
//
// - A reader that finds the lock taken takes its count back and spins, in one queue with the writers (cf69482d62d9). It
//   takes the lock past the queue as soon as no writer holds it and HANDOFF is not set. If it has spun in vain, it
//   tries once more if a phase of readers has begun meanwhile. So it steals only while it spins, also from readers.
// - A reader that does not spin does not steal: it queues, unless the queue is empty and the writer has left.
// - Readers have a flag of their own that forbids spinning (5cfd92e12e13). A writer that has spun for readers in vain
//   sets both flags. NONSPINNABLE is cleared by the next reader that takes the lock, or the last that leaves;
//   READERS_NONSPINNABLE by the next writer that leaves. A thread that saw a flag when it queued sets
//   READERS_NONSPINNABLE again when it gets the lock.
// - A reader writes its name into `owner`; so others can tell a new phase of readers from the one that they saw before.
// - Only the first of the queue asks for the lock to be handed over.
//
// 5.11 took the spinning of readers away (617f3ef95177), since it broke readers up into small groups that writers come
// between, and let them steal at once instead (1a728dff855a); and readers no longer steal from readers (2f06f702925b).
//
//   count   as in rwsem-spinning.ts
//   owner   the CPU of the writer, or, with READER_OWNED, of the reader that came in last; or 0;
//           NONSPINNABLE, READERS_NONSPINNABLE: as above, the second also beside a writer

import { type Cpu, cpuRelax } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { osqLock, osqUnlock } from './osq.ts'
import {
  NONSPINNABLE,
  OWNER_FLAGS,
  READERS_NONSPINNABLE,
  READER_OWNED,
  Rwsem,
  WAKE_READ_OWNED,
} from './rwsem-queue.ts'
import {
  FLAG_HANDOFF,
  FLAG_WAITERS,
  LOCK_MASK,
  READER_BIAS,
  SPIN_ROUNDS,
  SpinningRwsem,
  WRITER_LOCKED,
} from './rwsem-spinning.ts'

export class ReaderSpinningRwsem extends SpinningRwsem {
  protected override downReadSlow(cpu: Cpu, sem: number, _count: number): void {
    const { heap } = cpu
    const met = Atomics.load(heap, sem + Rwsem.owner)
    heap[cpu.base + PerCpu.waiterMet] = met
    if (!this.isSpinnable(cpu, sem, READERS_NONSPINNABLE)) {
      this.queueForRead(cpu, sem, true)
      return
    }
    Atomics.sub(heap, sem, READER_BIAS)
    if (this.spinForRead(cpu, sem)) {
      if ((Atomics.load(heap, sem) & FLAG_WAITERS) !== 0) this.wakeQueue(cpu, sem, WAKE_READ_OWNED)
    } else if (!this.tryReaderPhase(cpu, sem, met)) this.queueForRead(cpu, sem, false)
  }

  /** `rwsem_optimistic_spin`, for reading: while a writer holds the lock or HANDOFF is set. */
  private spinForRead(cpu: Cpu, sem: number): boolean {
    if (!this.beginSpin(cpu, sem)) return false
    let taken = false
    for (let round = 0; round <= SPIN_ROUNDS && this.isSpinnable(cpu, sem, READERS_NONSPINNABLE); round++) {
      taken = this.tryReadLockUnqueued(cpu, sem)
      if (taken) break
      cpuRelax(cpu)
    }
    this.endSpin(cpu, sem)
    return taken
  }

  /** `rwsem_try_read_lock_unqueued`: takes the lock unless a writer holds it or HANDOFF is set. */
  private tryReadLockUnqueued(cpu: Cpu, sem: number): boolean {
    const { heap } = cpu
    if ((Atomics.load(heap, sem) & (WRITER_LOCKED | FLAG_HANDOFF)) !== 0) return false
    if ((Atomics.add(heap, sem, READER_BIAS) & (WRITER_LOCKED | FLAG_HANDOFF)) === 0) {
      this.setReaderOwned(cpu, sem)
      return true
    }
    // A writer that was woken meanwhile may have seen this count and gone back to sleep. This reader therefore tries
    // again, or queues and wakes that writer.
    Atomics.sub(heap, sem, READER_BIAS)
    return false
  }

  /**
   * `rwsem_reader_phase_trylock`: a reader that has spun in vain takes the lock if readers hold it and the last of them
   * is not the reader named by `met`, which is `owner` as it was when this reader came.
   */
  private tryReaderPhase(cpu: Cpu, sem: number, met: number): boolean {
    const owner = Atomics.load(cpu.heap, sem + Rwsem.owner)
    if ((owner & READER_OWNED) === 0 || nameOf(owner) === ((met & READER_OWNED) === 0 ? 0 : nameOf(met)))
      return false
    return this.tryReadLockUnqueued(cpu, sem)
  }

  /**
   * If the writer sees, before it queues, that readers have held the lock for long, it keeps readers from spinning
   * afterwards.
   */
  protected override queueForWrite(cpu: Cpu, sem: number): number {
    const met = Atomics.load(cpu.heap, sem + Rwsem.owner)
    super.queueForWrite(cpu, sem)
    return (met & (NONSPINNABLE | READERS_NONSPINNABLE)) === 0 ? 0 : READERS_NONSPINNABLE
  }

  protected override mayAskForHandoff(isFirst: boolean): boolean {
    return isFirst
  }

  protected override beginSpin(cpu: Cpu, sem: number): boolean {
    return osqLock(cpu, sem + Rwsem.spinners, SPIN_ROUNDS)
  }

  protected override endSpin(cpu: Cpu, sem: number): void {
    osqUnlock(cpu, sem + Rwsem.spinners)
  }

  /**
   * While readers hold the lock, only the first of the queue joins them. Otherwise the last of them wakes the queue.
   */
  protected override markForReader(cpu: Cpu, sem: number, count: number, isFirst: boolean): number {
    return isFirst || (count & LOCK_MASK) === 0 ? this.markForCount(cpu, sem, count) : 0
  }

  /** `rwsem_set_nonspinnable`, for writers and readers, while readers have the lock. */
  protected override setNonspinnable(cpu: Cpu, sem: number): void {
    const { heap } = cpu
    const flags = NONSPINNABLE | READERS_NONSPINNABLE
    for (;;) {
      const owner = Atomics.load(heap, sem + Rwsem.owner)
      if ((owner & READER_OWNED) === 0 || (owner & flags) !== 0) return
      if (Atomics.compareExchange(heap, sem + Rwsem.owner, owner, owner | flags) === owner) return
    }
  }

  protected override setReaderOwned(cpu: Cpu, sem: number): void {
    setReader(cpu, sem, cpu.base)
  }

  /** Keeps READERS_NONSPINNABLE if the waiter saw it when it came. */
  protected override setOwnedByWaiter(cpu: Cpu, sem: number, first: number): void {
    setReader(cpu, sem, first | (cpu.heap[first + PerCpu.waiterMet] & READERS_NONSPINNABLE))
  }
}

/** `__rwsem_set_reader_owned`: the flag for readers stays, that for writers does not. */
function setReader(cpu: Cpu, sem: number, name: number): void {
  const kept = Atomics.load(cpu.heap, sem + Rwsem.owner) & READERS_NONSPINNABLE
  Atomics.store(cpu.heap, sem + Rwsem.owner, name | READER_OWNED | kept)
}

/** The CPU that `owner` names, or 0. */
function nameOf(owner: number): number {
  return owner & ~OWNER_FLAGS
}
