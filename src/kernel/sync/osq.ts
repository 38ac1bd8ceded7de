// The queue of spinners for a sleeping lock: kernel/locking/osq_lock.c, since Linux 3.16 (fb0527bd5ea9), as in 4.20.
//
// An MCS lock that a waiter can leave: each CPU waits on a node of its own for the CPU in front of it to write there,
// and a CPU that has waited long enough removes itself from the middle of the queue. Only the first of the queue looks
// at the sleeping lock, so its line goes to one spinner at a time.
//
// A CPU needs only one node: it spins for one lock at a time, and not in an interrupt.
//
//   tail        CPU number + 1 of the last of the queue, 0 if the queue is empty
//   next, previous   of a node, the neighbours by the same number, 0 for none
//   isFirst     of a node, 1 when its turn has come
//
// Linux waits until the scheduler wants the CPU. Worker threads cannot know that, so rounds are counted too.

import { type Cpu, cpuRelax, needResched, perCpuBase } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'

const NOBODY = 0

/**
 * `osq_lock`: waits in turn, for `rounds` at most, and not while another thread waits for the CPU.
 *
 * @param tail the word of the queue
 * @returns whether this CPU is the first of the queue now; if not, it is no longer in it
 */
export function osqLock(cpu: Cpu, tail: number, rounds: number): boolean {
  const { heap, base } = cpu
  Atomics.store(heap, base + PerCpu.osqIsFirst, 0)
  Atomics.store(heap, base + PerCpu.osqNext, NOBODY)
  const previous = Atomics.exchange(heap, tail, cpu.id + 1)
  if (previous === NOBODY) return true
  Atomics.store(heap, base + PerCpu.osqPrevious, previous)
  Atomics.store(heap, nodeOf(cpu, previous) + PerCpu.osqNext, cpu.id + 1)
  for (let round = 0; Atomics.load(heap, base + PerCpu.osqIsFirst) === 0; round++) {
    if (round >= rounds || needResched(cpu)) return !leaveQueue(cpu, tail, previous)
    cpuRelax(cpu)
  }
  return true
}

/** `osq_unlock`: hands the turn to the next of the queue. */
export function osqUnlock(cpu: Cpu, tail: number): void {
  const { heap, base } = cpu
  if (Atomics.compareExchange(heap, tail, cpu.id + 1, NOBODY) === cpu.id + 1) return
  let next = Atomics.exchange(heap, base + PerCpu.osqNext, NOBODY)
  if (next === NOBODY) next = awaitNext(cpu, tail, NOBODY)
  if (next !== NOBODY) Atomics.store(heap, nodeOf(cpu, next) + PerCpu.osqIsFirst, 1)
}

/** `osq_is_locked`: whether a CPU spins. */
export function osqIsLocked(cpu: Cpu, tail: number): boolean {
  return Atomics.load(cpu.heap, tail) !== NOBODY
}

/** Removes this CPU from the queue. Returns false if its turn has come meanwhile. */
function leaveQueue(cpu: Cpu, tail: number, found: number): boolean {
  const { heap, base } = cpu
  let previous = found
  // Clears `next` of the predecessor, which then cannot leave: it is not the last of the queue, so it waits for a
  // `next`.
  while (
    Atomics.compareExchange(heap, nodeOf(cpu, previous) + PerCpu.osqNext, cpu.id + 1, NOBODY) !==
    cpu.id + 1
  ) {
    if (Atomics.load(heap, base + PerCpu.osqIsFirst) !== 0) return false
    cpuRelax(cpu)
    // The predecessor is leaving too: it writes its own predecessor into `previous` of this CPU.
    previous = Atomics.load(heap, base + PerCpu.osqPrevious)
  }
  const next = awaitNext(cpu, tail, previous)
  if (next === NOBODY) return true
  // Neither neighbour can leave: the predecessor waits for a `next`, the successor until it is the `next` of its
  // predecessor.
  Atomics.store(heap, nodeOf(cpu, next) + PerCpu.osqPrevious, previous)
  Atomics.store(heap, nodeOf(cpu, previous) + PerCpu.osqNext, next)
  return true
}

/**
 * `osq_wait_next`: takes the successor out of `next` of this CPU, so that the successor cannot leave, and returns it.
 * If there is none, makes `previous` the last of the queue and returns NOBODY.
 */
function awaitNext(cpu: Cpu, tail: number, previous: number): number {
  const { heap, base } = cpu
  for (;;) {
    if (
      Atomics.load(heap, tail) === cpu.id + 1 &&
      Atomics.compareExchange(heap, tail, cpu.id + 1, previous) === cpu.id + 1
    )
      return NOBODY
    if (Atomics.load(heap, base + PerCpu.osqNext) !== NOBODY) {
      // An exchange, not a load: otherwise a successor that is leaving too could unlink itself from this CPU, which
      // leaves.
      const next = Atomics.exchange(heap, base + PerCpu.osqNext, NOBODY)
      if (next !== NOBODY) return next
    }
    cpuRelax(cpu)
  }
}

/** The struct of CPU `number - 1`. */
function nodeOf(cpu: Cpu, number: number): number {
  return perCpuBase(cpu.heap, number - 1)
}
