// The end of a thread, seen from the others.
//
// A host can end a thread at any moment. If another thread knows beforehand, it orders the thread to stop: the thread
// finishes what it has begun in the kernel, is refused at its next entry, and is outside, holding nothing, when the
// host ends it. If nobody knows, it matters whether the thread was at work (see beginWork() of machine/cpu.ts). An
// access without a fault changes nothing that would have to be set right, so that another thread can leave the kernel
// in its place. In the middle of a fault or a call, the thread may have held anything, and nobody knows what it had
// half done: the machine is lost, and every thread is told.
//
// A thread that finds another dead first takes its CPU, by the number of the dead thread, which the host never gives
// again (claimDead()). So no two threads bury the same one, and nobody buries a thread that came to the CPU meanwhile.

import {
  CPU_FLUSH,
  CPU_INSIDE,
  CPU_INTERRUPT,
  CPU_STOP,
  callEnter,
  callExit,
  declareCpuLost,
  exitTornStay,
  isInKernel,
} from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { leaveForHost, returnFromHost } from '../machine/sleep.ts'
import type { Task } from '../mm/task.ts'
import { retireCpu } from './mm-lifecycle.ts'

// What the word `online` of a CPU says: it is free, a thread has it, its thread is dead, leaves, or is just coming.
export const CPU_FREE = 0
export const CPU_TAKEN = 1
export const CPU_DEAD = 2
export const CPU_LEAVING = 3
export const CPU_COMING = 4

/** Instead of the host's number of a thread: the CPU is nobody's. */
export const NO_THREAD = 0

/** Orders the thread on the CPU at `base` to stop, for good. */
export function orderStop(heap: Int32Array, base: number): void {
  Atomics.or(heap, base, CPU_STOP)
}

/** Takes back an order that was meant for the thread before, which has left the CPU by itself. */
export function cancelStop(heap: Int32Array, base: number): void {
  Atomics.and(heap, base, ~CPU_STOP)
  // Where the machine is lost, the bit says so.
  if (Atomics.load(heap, Header.lostCpu) !== 0) Atomics.or(heap, base, CPU_STOP)
  Atomics.notify(heap, base)
}

/**
 * Whether the thread on the CPU at `base`, which was ordered to stop, has done so: it is outside the kernel with
 * nothing undone, and whatever it does, it stays there.
 */
export function hasStopped(heap: Int32Array, base: number): boolean {
  const state = Atomics.load(heap, base)
  if ((state & CPU_INSIDE) !== 0 || Atomics.load(heap, base + PerCpu.asleep) !== 0) return false
  // Between the two it may have come back from a sleep: then it has entered once more.
  const news = CPU_FLUSH | CPU_INTERRUPT
  return (Atomics.load(heap, base) & ~news) === (state & ~news)
}

/**
 * The thread `heir` takes the CPU of `dead`, a fresh Task of it, whose thread the host called `thread` and has died. Of
 * several that find it dead only one does; and none, where a new thread has the CPU by now, since the host gives a
 * number once. Should the heir die in its turn, the CPU is one of those that it had.
 */
export function claimDead(dead: Task, thread: number, heir: number): boolean {
  const { heap, base } = dead
  if (thread === NO_THREAD) return false
  return Atomics.compareExchange(heap, base + PerCpu.hostThread, thread, heir) === thread
}

/**
 * The thread of `dead`, a fresh Task of its CPU, has died; the caller has the CPU. Leaves the kernel in its place, or
 * declares the machine lost, where the thread was at work. Returns whether the machine stands.
 */
export function endStay(dead: Task): boolean {
  const { heap, base } = dead
  if (heap[base + PerCpu.atWork] !== 0 || Atomics.load(heap, base + PerCpu.asleep) !== 0) {
    declareCpuLost(heap, dead.id)
    return false
  }
  if ((Atomics.load(heap, base) & CPU_INSIDE) !== 0) {
    dead.entered = true
    exitTornStay(dead)
  }
  return Atomics.load(heap, Header.lostCpu) === 0
}

/**
 * Somebody who waits inside the kernel has found that the thread `thread` of `dead` has died: tells everybody where
 * that costs the machine, and has nobody wait for an answer of that CPU. The burial takes locks, which the caller may
 * hold, and is left to those who come from outside.
 */
export function noticeDead(noticer: Task, dead: Task, thread: number): void {
  const heir = threadOf(noticer)
  if (!isInKernel(dead.heap, dead.base) || !claimDead(dead, thread, heir)) return
  endStay(dead)
  Atomics.store(dead.heap, dead.base + PerCpu.hostThread, thread)
}

function threadOf(cpu: Task): number {
  return cpu.heap[cpu.base + PerCpu.hostThread]
}

/**
 * The thread `thread` of `dead` has died. Gives back what its CPU kept, and the CPU; or declares the machine lost,
 * where the thread was at work, and throws CpuLostError.
 *
 * `undertaker`, which is outside, is asleep in the kernel meanwhile: it has work undone until the burial is over, so
 * that who orders it to stop waits, and who finds it dead knows what that costs.
 */
export function buryCpu(undertaker: Task, dead: Task, thread: number): void {
  callEnter(undertaker)
  leaveForHost(undertaker)
  if (claimDead(dead, thread, threadOf(undertaker))) {
    Atomics.store(dead.heap, dead.base + PerCpu.online, CPU_DEAD)
    if (endStay(dead)) {
      // The order was for the thread.
      cancelStop(dead.heap, dead.base)
      releaseCpu(dead)
    }
  }
  returnFromHost(undertaker)
  callExit(undertaker)
}

/** Gives back what the CPU of `task`, which is outside, kept, and the CPU. */
export function releaseCpu(task: Task): void {
  const { heap, base } = task
  callEnter(task)
  retireCpu(task)
  callExit(task)
  Atomics.store(heap, base + PerCpu.hostThread, NO_THREAD)
  Atomics.store(heap, base + PerCpu.online, CPU_FREE)
}

/**
 * This thread has the CPU of `task`, whose thread before has died: gives back what that one kept. Throws CpuLostError
 * where that one was at work.
 */
export function inheritCpu(task: Task): void {
  endStay(task)
  callEnter(task)
  retireCpu(task)
  callExit(task)
}
