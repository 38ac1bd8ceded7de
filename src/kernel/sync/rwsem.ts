// The reader-writer semaphore behind the mmap lock, in five forms. The first two are those whose difference decided
// the debate of January 2010.
//
// Generic (lib/rwsem-spinlock.c): a spinlock guards a count and a queue, so that every reader takes and releases that
// spinlock twice. 64-bit x86 used it until 2.6.34, because `config X86_XADD` depended on X86_32.
//
// Exchange-and-add (lib/rwsem.c with the fast paths of arch/x86): the uncontended reader does one `lock xadd` on the
// way in and one on the way out. It is what made most of the gain of the first speculative page faults go away (L.
// Torvalds and P. Zijlstra, message-id 1262969610.4244.36.camel@laptop).
//
// Both are fair: while a thread queues, newcomers queue too. A waiter sleeps until a releaser hands it the lock.
//
// Writer-spinning (kernel/locking/rwsem-xadd.c of 3.16 to 5.2): writers spin for a writer that is running, and take the
// lock past the queue; readers do neither; see rwsem-writer-spinning.ts.
//
// Reader-spinning (kernel/locking/rwsem.c of 5.3 to 5.10): readers spin too, and spinners may take the lock past the
// queue; see rwsem-reader-spinning.ts.
//
// Spinning (the same file since 5.11): writers spin, and running threads may take the lock past the queue; see
// rwsem-spinning.ts.

import { type Cpu } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { sleepUntilWoken, wakeUp } from '../machine/sleep.ts'
import {
  Rwsem,
  WAITING_FOR_READ,
  WAITING_FOR_WRITE,
  assertOwner,
  dequeueWaiter,
  enqueueWaiter,
  isOwner,
} from './rwsem-queue.ts'
import { ReaderSpinningRwsem } from './rwsem-reader-spinning.ts'
import { SpinningRwsem } from './rwsem-spinning.ts'
import {
  writerSpinningDownRead,
  writerSpinningDownReadTryLock,
  writerSpinningDownWrite,
  writerSpinningDowngradeWrite,
  writerSpinningUpRead,
  writerSpinningUpWrite,
} from './rwsem-writer-spinning.ts'
import { spinLockIrq, spinUnlockIrq } from './spinlock.ts'

export const RWSEM_XADD = 0
export const RWSEM_GENERIC = 1
export const RWSEM_SPINNING = 2
export const RWSEM_WRITER_SPINNING = 3
export const RWSEM_READER_SPINNING = 4

/** The forms by name, in the order in which Linux had them on 64-bit x86. */
export const rwsemKinds = {
  generic: RWSEM_GENERIC,
  xadd: RWSEM_XADD,
  'writer-spinning': RWSEM_WRITER_SPINNING,
  'reader-spinning': RWSEM_READER_SPINNING,
  spinning: RWSEM_SPINNING,
} as const
/** The forms of Linux's reader-writer semaphore that there are, see docs/semaphores.md. */
export type RwsemKind = keyof typeof rwsemKinds

export const rwsemNames = Object.keys(rwsemKinds) as readonly RwsemKind[]

const spinning = new SpinningRwsem()
const readerSpinning = new ReaderSpinningRwsem()

/** Takes the lock for reading. */
export function downRead(cpu: Cpu, sem: number): void {
  const kind = cpu.heap[Header.rwsemKind]
  if (kind === RWSEM_SPINNING) spinning.downRead(cpu, sem)
  else if (kind === RWSEM_READER_SPINNING) readerSpinning.downRead(cpu, sem)
  else if (kind === RWSEM_WRITER_SPINNING) writerSpinningDownRead(cpu, sem)
  else if (kind === RWSEM_GENERIC) genericDownRead(cpu, sem)
  else if (Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS) + ACTIVE_READ_BIAS < 0) {
    xaddDownFailed(cpu, sem, WAITING_FOR_READ, WAITING_BIAS - ACTIVE_READ_BIAS)
  }
}

/** Takes the lock for reading if no writer holds it or waits. Returns whether it did. */
export function downReadTryLock(cpu: Cpu, sem: number): boolean {
  const kind = cpu.heap[Header.rwsemKind]
  if (kind === RWSEM_SPINNING) return spinning.downReadTryLock(cpu, sem)
  if (kind === RWSEM_READER_SPINNING) return readerSpinning.downReadTryLock(cpu, sem)
  if (kind === RWSEM_WRITER_SPINNING) return writerSpinningDownReadTryLock(cpu, sem)
  if (kind === RWSEM_GENERIC) return genericDownReadTryLock(cpu, sem)
  // As on x86, a plain load and then a cmpxchg: two bus transactions where down_read() needs one.
  for (;;) {
    const count = Atomics.load(cpu.heap, sem)
    if (count + ACTIVE_READ_BIAS <= 0) return false
    if (Atomics.compareExchange(cpu.heap, sem, count, count + ACTIVE_READ_BIAS) === count) return true
  }
}

export function upRead(cpu: Cpu, sem: number): void {
  const kind = cpu.heap[Header.rwsemKind]
  if (kind !== RWSEM_XADD) {
    if (kind === RWSEM_SPINNING) spinning.upRead(cpu, sem)
    else if (kind === RWSEM_READER_SPINNING) readerSpinning.upRead(cpu, sem)
    else if (kind === RWSEM_WRITER_SPINNING) writerSpinningUpRead(cpu, sem)
    else genericUpRead(cpu, sem)
    return
  }
  const count = Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS) - ACTIVE_READ_BIAS
  if (count < 0 && (count & ACTIVE_MASK) === 0) xaddWake(cpu, sem)
}

/** Takes the lock for writing. */
export function downWrite(cpu: Cpu, sem: number): void {
  const kind = cpu.heap[Header.rwsemKind]
  if (isSpinningKind(kind)) {
    if (kind === RWSEM_SPINNING) spinning.downWrite(cpu, sem)
    else if (kind === RWSEM_READER_SPINNING) readerSpinning.downWrite(cpu, sem)
    else writerSpinningDownWrite(cpu, sem)
    return
  }
  if (kind === RWSEM_GENERIC) genericDownWrite(cpu, sem)
  else if (Atomics.add(cpu.heap, sem, ACTIVE_WRITE_BIAS) !== 0) {
    xaddDownFailed(cpu, sem, WAITING_FOR_WRITE, -ACTIVE_READ_BIAS)
  }
  cpu.heap[sem + Rwsem.owner] = cpu.base
}

export function upWrite(cpu: Cpu, sem: number): void {
  const kind = cpu.heap[Header.rwsemKind]
  if (isSpinningKind(kind)) {
    if (kind === RWSEM_SPINNING) spinning.upWrite(cpu, sem)
    else if (kind === RWSEM_READER_SPINNING) readerSpinning.upWrite(cpu, sem)
    else writerSpinningUpWrite(cpu, sem)
    return
  }
  clearOwner(cpu, sem)
  if (kind === RWSEM_GENERIC) genericUpWrite(cpu, sem)
  else if (Atomics.sub(cpu.heap, sem, ACTIVE_WRITE_BIAS) - ACTIVE_WRITE_BIAS < 0) xaddWake(cpu, sem)
}

/** Turns the writer into a reader, and lets in the readers at the head of the queue. */
export function downgradeWrite(cpu: Cpu, sem: number): void {
  const kind = cpu.heap[Header.rwsemKind]
  if (isSpinningKind(kind)) {
    if (kind === RWSEM_SPINNING) spinning.downgradeWrite(cpu, sem)
    else if (kind === RWSEM_READER_SPINNING) readerSpinning.downgradeWrite(cpu, sem)
    else writerSpinningDowngradeWrite(cpu, sem)
    return
  }
  clearOwner(cpu, sem)
  if (kind === RWSEM_GENERIC) genericDowngradeWrite(cpu, sem)
  else if (Atomics.sub(cpu.heap, sem, WAITING_BIAS) - WAITING_BIAS < 0) xaddDowngradeWake(cpu, sem)
}

/** In these forms CPUs spin on `owner`, so it is accessed through Atomics. */
function isSpinningKind(kind: number): boolean {
  return kind >= RWSEM_SPINNING
}

function clearOwner(cpu: Cpu, sem: number): void {
  assertOwner(cpu, cpu.heap[sem + Rwsem.owner])
  cpu.heap[sem + Rwsem.owner] = 0
}

/** True while this CPU holds the lock for writing. */
export function isWriteLockedByMe(cpu: Cpu, sem: number): boolean {
  const { heap } = cpu
  const isRaced = isSpinningKind(heap[Header.rwsemKind])
  return isOwner(cpu, isRaced ? Atomics.load(heap, sem + Rwsem.owner) : heap[sem + Rwsem.owner])
}

// ---------------------------------------------------------------------------------------------------------------------
// The queue of the fair forms. The wait lock is held.

/** Takes the first waiter out of the queue and hands it the lock. */
function grantFirstWaiter(cpu: Cpu, sem: number): void {
  const waiter = cpu.heap[sem + Rwsem.waitFirst]
  dequeueWaiter(cpu, sem, waiter)
  wakeUp(cpu, waiter + PerCpu.waiterTask)
}

function sleepUntilGranted(cpu: Cpu, sem: number, kind: number): void {
  cpu.tracepoints?.contentionBegin(sem, kind === WAITING_FOR_WRITE)
  sleepUntilWoken(cpu, cpu.base + PerCpu.waiterTask)
  cpu.tracepoints?.contentionEnd(sem)
}

// ---------------------------------------------------------------------------------------------------------------------
// Exchange-and-add. The count of 32-bit kernels: the low half counts the active threads, the high half is minus the
// number of waiters and of the active writer; hence at most 32,767 of them.

const ACTIVE_READ_BIAS = 1
const ACTIVE_MASK = 0xffff
const WAITING_BIAS = -0x10000
const ACTIVE_WRITE_BIAS = WAITING_BIAS + ACTIVE_READ_BIAS

/** `rwsem_down_failed_common`: `adjustment` takes back what the fast path added and counts this CPU as waiting. */
function xaddDownFailed(cpu: Cpu, sem: number, kind: number, adjustment: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  enqueueWaiter(cpu, sem, kind)
  const count = Atomics.add(cpu.heap, sem, adjustment) + adjustment
  // The holder may have left between the fast path and here, and found no waiter.
  if ((count & ACTIVE_MASK) === 0) xaddDoWake(cpu, sem, false)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  sleepUntilGranted(cpu, sem, kind)
}

/** `__rwsem_do_wake`: hands the lock to the first writer or to all readers at the head of the queue. */
function xaddDoWake(cpu: Cpu, sem: number, downgrading: boolean): void {
  const { heap } = cpu
  if (!downgrading && !xaddClaimActive(cpu, sem)) return
  const first = heap[sem + Rwsem.waitFirst]
  if (heap[first + PerCpu.waiterKind] === WAITING_FOR_WRITE) {
    // The bias that the writer added when it queued becomes its write bias.
    if (!downgrading) grantFirstWaiter(cpu, sem)
    return
  }
  let readers = 0
  for (let waiter = first; waiter !== 0; waiter = heap[waiter + PerCpu.waiterNext]) {
    if (heap[waiter + PerCpu.waiterKind] !== WAITING_FOR_READ) break
    readers++
  }
  const alreadyActive = downgrading ? 0 : ACTIVE_READ_BIAS
  Atomics.add(heap, sem, readers * (ACTIVE_READ_BIAS - WAITING_BIAS) - alreadyActive)
  for (; readers > 0; readers--) grantFirstWaiter(cpu, sem)
}

/** Moves the active part of the count from 0 to 1, which only one releaser can. Returns whether this one did. */
function xaddClaimActive(cpu: Cpu, sem: number): boolean {
  for (;;) {
    const before = Atomics.add(cpu.heap, sem, ACTIVE_READ_BIAS)
    if ((before & ACTIVE_MASK) === 0) return true
    // A thread is active and will wake the queue when it leaves, unless it left while this claim stood.
    const after = Atomics.sub(cpu.heap, sem, ACTIVE_READ_BIAS) - ACTIVE_READ_BIAS
    if ((after & ACTIVE_MASK) !== 0) return false
  }
}

function xaddWake(cpu: Cpu, sem: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  if (cpu.heap[sem + Rwsem.waitFirst] !== 0) xaddDoWake(cpu, sem, false)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

function xaddDowngradeWake(cpu: Cpu, sem: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  if (cpu.heap[sem + Rwsem.waitFirst] !== 0) xaddDoWake(cpu, sem, true)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

// ---------------------------------------------------------------------------------------------------------------------
// Generic

function genericDownRead(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  if (heap[sem] >= 0 && heap[sem + Rwsem.waitFirst] === 0) {
    heap[sem]++
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    return
  }
  enqueueWaiter(cpu, sem, WAITING_FOR_READ)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  sleepUntilGranted(cpu, sem, WAITING_FOR_READ)
}

function genericDownReadTryLock(cpu: Cpu, sem: number): boolean {
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  const taken = heap[sem] >= 0 && heap[sem + Rwsem.waitFirst] === 0
  if (taken) heap[sem]++
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  return taken
}

function genericUpRead(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  if (--heap[sem] === 0 && heap[sem + Rwsem.waitFirst] !== 0) {
    // A reader queues only behind a writer, so the first is one.
    heap[sem] = -1
    grantFirstWaiter(cpu, sem)
  }
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

function genericDownWrite(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  if (heap[sem] === 0 && heap[sem + Rwsem.waitFirst] === 0) {
    heap[sem] = -1
    spinUnlockIrq(cpu, sem + Rwsem.waitLock)
    return
  }
  enqueueWaiter(cpu, sem, WAITING_FOR_WRITE)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
  sleepUntilGranted(cpu, sem, WAITING_FOR_WRITE)
}

function genericUpWrite(cpu: Cpu, sem: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  cpu.heap[sem] = 0
  if (cpu.heap[sem + Rwsem.waitFirst] !== 0) genericDoWake(cpu, sem, true)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

function genericDowngradeWrite(cpu: Cpu, sem: number): void {
  spinLockIrq(cpu, sem + Rwsem.waitLock)
  cpu.heap[sem] = 1
  if (cpu.heap[sem + Rwsem.waitFirst] !== 0) genericDoWake(cpu, sem, false)
  spinUnlockIrq(cpu, sem + Rwsem.waitLock)
}

/**
 * `__rwsem_do_wake`: hands the lock to the first writer, if `wakeWrite`, or to all readers at the head of the queue.
 */
function genericDoWake(cpu: Cpu, sem: number, wakeWrite: boolean): void {
  const { heap } = cpu
  if (heap[heap[sem + Rwsem.waitFirst] + PerCpu.waiterKind] === WAITING_FOR_WRITE) {
    if (!wakeWrite) return
    heap[sem] = -1
    grantFirstWaiter(cpu, sem)
    return
  }
  for (;;) {
    const first = heap[sem + Rwsem.waitFirst]
    if (first === 0 || heap[first + PerCpu.waiterKind] !== WAITING_FOR_READ) return
    heap[sem]++
    grantFirstWaiter(cpu, sem)
  }
}
