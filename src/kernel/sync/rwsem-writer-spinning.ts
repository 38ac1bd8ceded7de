// The reader-writer semaphore of Linux 3.16 to 5.2, in which writers spin, and only for writers: the count of 2010 with
// what was built on it since (kernel/locking/rwsem-xadd.c of 4.16, with the fixes of 5.0 and 5.2, and the fast paths of
// arch/x86). Its rules:
//
// - A writer steals (3.9, ce6711f3d196): it takes a free lock past the queue. So a writer that is woken does not own
//   the lock, and competes for it.
// - A writer spins while another that is running holds the lock, in a queue of spinners (3.16, 4fc828e24cd9); not where
//   readers hold it, or held it last, which the owner says (4.7, 19c5d690e416). So readers among the writers put all of
//   them to sleep.
// - Readers neither steal nor spin. Those at the head of the queue come in together, up to the first writer, and are
//   woken when the wait lock is given back (4.8, 133e89ef5ef3).
// - A releaser that sees a spinner does not wait for the wait lock, and wakes no thread if that lock is taken (4.1,
//   59aabfc7e959).
// - There is no hand-off: a waiter can be passed over for ever. 5.3 fixed that.
//
//   count   the low half counts who is active, or about to find out; the high half is minus the writers among them, and
//           one more if somebody queues
//   owner   the writer's CPU, 0, or bit 0 READER_OWNED: a reader holds it or was the last to do so
//
// Linux spins until the scheduler wants the CPU. As that is not known on worker threads, rounds are counted too.

import { type Cpu, cpuRelax, disableInterrupts, enableInterrupts, needResched } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { prepareToSleep, sleepUntilWoken } from '../machine/sleep.ts'
import { osqIsLocked, osqLock, osqUnlock } from './osq.ts'
import {
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
import { spinLockIrq, spinTryLock, spinUnlockIrq } from './spinlock.ts'

const ACTIVE_READ_BIAS = 1
const ACTIVE_MASK = 0xffff
const WAITING_BIAS = -0x10000
const ACTIVE_WRITE_BIAS = WAITING_BIAS + ACTIVE_READ_BIAS

/** How often the first of the spinners looks before it queues, and how often the others look for their turn. */
const SPIN_ROUNDS = 100

// ---------------------------------------------------------------------------------------------------------------------
// Readers

export function writerSpinningDownRead(cpu: Cpu, sem: number): void {
  if (Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS) + ACTIVE_READ_BIAS <= 0) downReadFailed(cpu, sem)
  setReaderOwned(cpu, sem)
}

export function writerSpinningDownReadTryLock(cpu: Cpu, sem: number): boolean {
  for (;;) {
    const count = Atomics.load(cpu.heap, sem)
    if (count + ACTIVE_READ_BIAS <= 0) return false
    if (Atomics.compareExchange(cpu.heap, sem, count, count + ACTIVE_READ_BIAS) === count) break
  }
  setReaderOwned(cpu, sem)
  return true
}

export function writerSpinningUpRead(cpu: Cpu, sem: number): void {
  wakeIfLast(cpu, sem, Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS) - ACTIVE_READ_BIAS)
}

/** `rwsem_down_read_failed`: the fast path has counted this reader as active. */
function downReadFailed(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  const isFirst = heap[sem + Rwsem.waitFirst] === 0
  enqueueWaiter(cpu, sem, WAITING_FOR_READ)
  const adjustment = (isFirst ? WAITING_BIAS : 0) - ACTIVE_READ_BIAS
  const count = Atomics.add(heap, sem, adjustment) + adjustment
  // The holder may have left meanwhile and found no waiter; or readers hold the lock, and this one joins them.
  const mayComeIn = count === WAITING_BIAS || (count > WAITING_BIAS && isFirst)
  const marked = mayComeIn ? markWake(cpu, sem, WAKE_ANY) : 0
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  wakeMarked(cpu, marked)
  sleepUntilLetIn(cpu, sem)
}

// ---------------------------------------------------------------------------------------------------------------------
// Writers

export function writerSpinningDownWrite(cpu: Cpu, sem: number): void {
  // The writer has the lock if no thread was active, whether or not threads queue.
  if ((Atomics.add(cpu.heap, sem, ACTIVE_WRITE_BIAS) & ACTIVE_MASK) !== 0) downWriteFailed(cpu, sem)
  else setOwner(cpu, sem)
}

export function writerSpinningUpWrite(cpu: Cpu, sem: number): void {
  assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
  // Before the count: afterwards it could overwrite the next writer's name.
  Atomics.store(cpu.heap, sem + Rwsem.owner, 0)
  wakeIfLast(cpu, sem, Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS) - ACTIVE_WRITE_BIAS)
}

export function writerSpinningDowngradeWrite(cpu: Cpu, sem: number): void {
  assertOwner(cpu, Atomics.load(cpu.heap, sem + Rwsem.owner))
  Atomics.store(cpu.heap, sem + Rwsem.owner, READER_OWNED)
  if (Atomics.sub(cpu.heap, sem, WAITING_BIAS) - WAITING_BIAS < 0) wakeQueue(cpu, sem, WAKE_READ_OWNED)
}

/** `rwsem_down_write_failed`: the fast path has counted this writer as active. */
function downWriteFailed(cpu: Cpu, sem: number): void {
  Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS)
  if (spinForWrite(cpu, sem)) return
  cpu.tracepoints?.contentionBegin(sem, true)
  queueForWrite(cpu, sem)
  cpu.tracepoints?.contentionEnd(sem)
}

function queueForWrite(cpu: Cpu, sem: number): void {
  const { heap, base } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  const isFirst = heap[sem + Rwsem.waitFirst] === 0
  enqueueWaiter(cpu, sem, WAITING_FOR_WRITE)
  let count = isFirst ? Atomics.add(heap, sem, WAITING_BIAS) + WAITING_BIAS : Atomics.load(heap, sem)
  // Only readers hold the lock: readers in front of this writer may join them. They are woken with the wait lock held,
  // as in Linux.
  if (!isFirst && count > WAITING_BIAS) wakeMarked(cpu, markWake(cpu, sem, WAKE_READERS))
  // Before the check: a holder that leaves from now on wakes this CPU, even if it does not sleep yet.
  prepareToSleep(cpu, base + PerCpu.waiterWake)
  while (!tryWriteLock(cpu, sem, count)) {
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    do {
      sleepUntilWoken(cpu, base + PerCpu.waiterWake)
      prepareToSleep(cpu, base + PerCpu.waiterWake)
      count = Atomics.load(heap, sem)
    } while ((count & ACTIVE_MASK) !== 0)
    spinLockIrq(cpu, sem + Rwsem.waitLock)
  }
  dequeueWaiter(cpu, sem, base)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

/** `rwsem_try_write_lock`: takes the lock if no thread is active. This CPU is in the queue, and holds the wait lock. */
function tryWriteLock(cpu: Cpu, sem: number, count: number): boolean {
  if (count !== WAITING_BIAS) return false
  const { heap, base } = cpu
  const isAlone = heap[sem + Rwsem.waitFirst] === base && heap[base + PerCpu.waiterNext] === 0
  const taken = isAlone ? ACTIVE_WRITE_BIAS : ACTIVE_WRITE_BIAS + WAITING_BIAS
  if (Atomics.compareExchange(heap, sem, WAITING_BIAS, taken) !== WAITING_BIAS) return false
  setOwner(cpu, sem)
  return true
}

// ---------------------------------------------------------------------------------------------------------------------
// Spinning

/** `rwsem_optimistic_spin`: tries to take the lock past the queue while a writer that is running holds it. */
function spinForWrite(cpu: Cpu, sem: number): boolean {
  if (!isSpinnable(cpu, sem) || !osqLock(cpu, sem + Rwsem.spinners, SPIN_ROUNDS)) return false
  let taken = false
  for (let round = 0; round <= SPIN_ROUNDS && isSpinnable(cpu, sem); round++) {
    taken = tryWriteLockUnqueued(cpu, sem)
    if (taken) break
    cpuRelax(cpu)
  }
  osqUnlock(cpu, sem + Rwsem.spinners)
  return taken
}

/** `rwsem_try_write_lock_unqueued`: takes the lock, past the queue, if no thread is active. */
function tryWriteLockUnqueued(cpu: Cpu, sem: number): boolean {
  for (let count = Atomics.load(cpu.heap, sem); count === 0 || count === WAITING_BIAS;) {
    const before = Atomics.compareExchange(cpu.heap, sem, count, count + ACTIVE_WRITE_BIAS)
    if (before === count) {
      setOwner(cpu, sem)
      return true
    }
    count = before
  }
  return false
}

/** `rwsem_can_spin_on_owner`: a lock without an owner is changing hands; whether readers sleep cannot be seen. */
function isSpinnable(cpu: Cpu, sem: number): boolean {
  if (needResched(cpu)) return false
  const owner = Atomics.load(cpu.heap, sem + Rwsem.owner)
  if (owner === 0 || owner === READER_OWNED) return owner === 0
  return ownerRuns(cpu, owner)
}

function setOwner(cpu: Cpu, sem: number): void {
  Atomics.store(cpu.heap, sem + Rwsem.owner, cpu.base)
}

/** Only the first reader of a phase writes the word. */
function setReaderOwned(cpu: Cpu, sem: number): void {
  if (Atomics.load(cpu.heap, sem + Rwsem.owner) !== READER_OWNED)
    Atomics.store(cpu.heap, sem + Rwsem.owner, READER_OWNED)
}

// ---------------------------------------------------------------------------------------------------------------------
// Waking

/** A holder has left, and `count` is what it found: wakes the queue if threads queue and none is active. */
function wakeIfLast(cpu: Cpu, sem: number, count: number): void {
  if (count < 0 && (count & ACTIVE_MASK) === 0) rwsemWake(cpu, sem)
}

/**
 * `rwsem_wake`. A spinner will look whether the lock is free. It may have given up before the release, but it looks
 * once more when it queues, under the wait lock. So this CPU need not wait for the wait lock.
 */
function rwsemWake(cpu: Cpu, sem: number): void {
  if (!osqIsLocked(cpu, sem + Rwsem.spinners)) {
    wakeQueue(cpu, sem, WAKE_ANY)
    return
  }
  disableInterrupts(cpu)
  if (spinTryLock(cpu, sem + Rwsem.waitLock)) wakeAndUnlock(cpu, sem, WAKE_ANY)
  else enableInterrupts(cpu)
}

function wakeQueue(cpu: Cpu, sem: number, kind: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  wakeAndUnlock(cpu, sem, kind)
}

function wakeAndUnlock(cpu: Cpu, sem: number, kind: number): void {
  const marked = cpu.heap[sem + Rwsem.waitFirst] === 0 ? 0 : markWake(cpu, sem, kind)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  wakeMarked(cpu, marked)
}

/** `__rwsem_mark_wake`: whom to wake, see wakeMarked(). The queue is not empty, and the wait lock is held. */
function markWake(cpu: Cpu, sem: number, kind: number): number {
  const { heap } = cpu
  const first = heap[sem + Rwsem.waitFirst]
  if (heap[first + PerCpu.waiterKind] === WAITING_FOR_WRITE) return kind === WAKE_ANY ? -first : 0
  const claimed = kind === WAKE_READ_OWNED ? 0 : ACTIVE_READ_BIAS
  if (claimed !== 0 && !claimForReaders(cpu, sem)) return 0
  const readers = takeReaders(cpu, sem, false)
  const emptied = heap[sem + Rwsem.waitFirst] === 0 ? WAITING_BIAS : 0
  // All readers are counted before the first is let in, which may leave at once.
  Atomics.add(heap, sem, readers * ACTIVE_READ_BIAS - claimed - emptied)
  return first
}

/**
 * Counts one reader to keep writers out. If a writer has stolen the lock, which wakes the queue when it leaves, takes
 * that back and returns false.
 */
function claimForReaders(cpu: Cpu, sem: number): boolean {
  while (Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS) < WAITING_BIAS) {
    if (Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS) - ACTIVE_READ_BIAS < WAITING_BIAS) return false
    // That writer has left meanwhile, and may have taken this claim for an active reader and woken no thread: claims
    // again.
  }
  setReaderOwned(cpu, sem)
  return true
}
