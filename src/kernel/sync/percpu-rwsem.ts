// The per-CPU reader-writer semaphore: readers write only to a cache line of their own CPU, and writers pay for it
// with a grace period (kernel/locking/percpu-rwsem.c, kernel/rcu/sync.c).
//
// While there is no writer, a reader looks at one word, counts itself on its CPU and has the lock. A writer first
// announces itself and waits for a grace period of RCU: afterwards every reader that took the lock that way has counted
// itself, and every later reader looks at the block. Then the writer raises the block and sleeps until the counts are
// zero. A reader that finds the block raised has counted itself already: it takes that back and wakes the writer, which
// may have seen the count.
//
// Two things of Linux are left out. Readers only try, as nobody here waits for reading. And a writer that leaves puts
// the semaphore at rest at once: the grace period that Linux waits for there orders memory, which `Atomics` do, and
// saves writers that follow soon a grace period of their own. So no callback is pending that the destroyer would have
// to wait for (race R19).

import { type Cpu } from '../machine/cpu.ts'
import { prepareToSleep, sleepUntilWoken } from '../machine/sleep.ts'
import { bugOn } from '../machine/errors.ts'
import { CACHE_LINE_WORDS, layout } from '../machine/layout.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { synchronizeRcu } from './rcu.ts'
import { rcuwaitWake } from './rcuwait.ts'

export const PercpuRwsem = layout('percpu_rw_semaphore', CACHE_LINE_WORDS, {
  /** `rss`: 0 at rest; 1 from before the grace period of a writer until it leaves. */
  writerComes: 0,
  /** 1 while no reader may come in. */
  block: 1,
  /** The writer that waits for readers, see sync/rcuwait.ts. */
  writer: 2,
})

/** Words of a semaphore: behind the struct lies a cache line for each CPU, with the readers that it has let in. */
export function percpuRwsemWords(cpuCount: number): number {
  return (1 + cpuCount) * CACHE_LINE_WORDS
}

function readCount(sem: number, cpuId: number): number {
  return sem + (1 + cpuId) * CACHE_LINE_WORDS
}

/** Takes the lock for reading unless a writer holds it or is about to. Returns whether it did. Does not wait. */
export function percpuDownReadTryLock(cpu: Cpu, sem: number): boolean {
  const { heap } = cpu
  const count = readCount(sem, cpu.id)
  // There is no writer. One that comes now waits until this CPU has been outside, and sees the count afterwards.
  if (Atomics.load(heap, sem + PercpuRwsem.writerComes) === 0) {
    Atomics.add(heap, count, 1)
    return true
  }
  Atomics.add(heap, count, 1)
  // Counted before the block is looked at, as the writer raises the block before it looks at the counts.
  if (Atomics.load(heap, sem + PercpuRwsem.block) === 0) return true
  Atomics.sub(heap, count, 1)
  rcuwaitWake(cpu, sem + PercpuRwsem.writer)
  return false
}

/** Releases the lock, on the CPU that took it: a thread keeps its CPU here. */
export function percpuUpRead(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  const before = Atomics.sub(heap, readCount(sem, cpu.id), 1)
  bugOn(before <= 0, 'a per-CPU semaphore is given up by a reader that does not hold it')
  if (Atomics.load(heap, sem + PercpuRwsem.writerComes) !== 0) rcuwaitWake(cpu, sem + PercpuRwsem.writer)
}

/** Takes the lock for writing. May sleep. The caller excludes other writers. */
export function percpuDownWrite(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  bugOn(Atomics.load(heap, sem + PercpuRwsem.writerComes) !== 0, 'two writers of a per-CPU semaphore')
  Atomics.store(heap, sem + PercpuRwsem.writerComes, 1)
  synchronizeRcu(cpu)
  Atomics.store(heap, sem + PercpuRwsem.block, 1)
  const task = cpu.base + PerCpu.rcuwaitTask
  Atomics.store(heap, sem + PercpuRwsem.writer, cpu.base)
  for (;;) {
    prepareToSleep(cpu, task)
    if (!hasReaders(cpu, sem)) break
    sleepUntilWoken(cpu, task)
  }
  Atomics.store(heap, sem + PercpuRwsem.writer, 0)
}

export function percpuUpWrite(cpu: Cpu, sem: number): void {
  const { heap } = cpu
  bugOn(Atomics.load(heap, sem + PercpuRwsem.block) === 0, 'a per-CPU semaphore is given up by no writer')
  Atomics.store(heap, sem + PercpuRwsem.block, 0)
  Atomics.store(heap, sem + PercpuRwsem.writerComes, 0)
}

/**
 * `readers_active_check`. While `block` is 1, a reader that counts itself takes that back. So a count that was 0 once
 * stays 0, but for such readers.
 */
function hasReaders(cpu: Cpu, sem: number): boolean {
  for (let id = 0; id < cpu.cpuCount; id++) {
    if (Atomics.load(cpu.heap, readCount(sem, id)) !== 0) return true
  }
  return false
}
