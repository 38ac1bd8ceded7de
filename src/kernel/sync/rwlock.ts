// Reader-writer spinlock, fair as `qrwlock` is (kernel/locking/qrwlock.c): while a thread queues, newcomers queue too.
//
// The designs of 2018 guard the VMA tree with one, so every fault adds to a word of its mm twice; the next version of
// those patches removed the contention for it.

import { type Cpu, cpuWait } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { layout } from '../machine/layout.ts'
import { spinLock, spinUnlock } from './spinlock.ts'

export const Rwlock = layout('rwlock', 2, {
  /** Readers in units of READER; below that, whether a writer has the lock or waits for it. */
  count: 0,
  /** A CPU that waits for `count` holds it; the CPUs behind wait for it. */
  waitLock: 1,
})

const WRITER = 1
const WRITER_WAITS = 2
const WRITER_MASK = WRITER | WRITER_WAITS
const READER = 4

/** Takes the lock for reading. */
export function readLock(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  if (((Atomics.add(heap, lock, READER) + READER) & WRITER_MASK) === 0) return
  Atomics.sub(heap, lock, READER)
  spinLock(cpu, lock + Rwlock.waitLock)
  Atomics.add(heap, lock, READER)
  for (let spins = 0; ; spins++) {
    const count = Atomics.load(heap, lock)
    if ((count & WRITER) === 0) break
    cpuWait(cpu, lock, count, spins)
  }
  spinUnlock(cpu, lock + Rwlock.waitLock)
}

export function readUnlock(cpu: Cpu, lock: number): void {
  const before = Atomics.sub(cpu.heap, lock, READER)
  bugOn(before < READER, `CPU ${cpu.id} releases a read lock that nobody holds`)
}

/** Takes the lock for writing. */
export function writeLock(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  if (Atomics.compareExchange(heap, lock, 0, WRITER) === 0) return
  spinLock(cpu, lock + Rwlock.waitLock)
  // From here on new readers queue behind this CPU.
  Atomics.or(heap, lock, WRITER_WAITS)
  for (let spins = 0; ; spins++) {
    const count = Atomics.load(heap, lock)
    if (count !== WRITER_WAITS) cpuWait(cpu, lock, count, spins)
    else if (Atomics.compareExchange(heap, lock, WRITER_WAITS, WRITER) === WRITER_WAITS) break
  }
  spinUnlock(cpu, lock + Rwlock.waitLock)
}

export function writeUnlock(cpu: Cpu, lock: number): void {
  const before = Atomics.sub(cpu.heap, lock, WRITER)
  bugOn((before & WRITER) === 0, `CPU ${cpu.id} releases a write lock that nobody holds`)
}
