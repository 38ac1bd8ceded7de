// The end of a thread, seen from the others.
//
// The host can end a thread at any moment. If another thread knows of it beforehand, it orders the thread to stop: the
// thread finishes what it has begun in the kernel, cannot enter again, and is outside, holding nothing, when the host
// ends it. Otherwise it matters whether the thread was at work (beginWork() in machine/cpu.ts). An access without a
// fault changes nothing that needs repair, so another thread can leave the kernel in its place. In the middle of a
// fault or a call, the thread may have held any lock and left anything half done: the machine is lost, and every thread
// gets an error.
//
// A thread that finds another dead first claims its CPU, by the number that the host gave the dead thread and never
// gives again (claimDead()). So no two threads bury the same one, and none buries a thread that has come to the CPU
// since.

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

/** Instead of the host's number of a thread: no thread has the CPU. */
export const NO_THREAD = 0

/** Orders the thread on the CPU at `base` to stop, for good. */
export function orderStop(heap: Int32Array, base: number): void {
  Atomics.or(heap, base, CPU_STOP)
}

/** Cancels an order that was meant for the previous thread, which has left the CPU by itself. */
export function cancelStop(heap: Int32Array, base: number): void {
  Atomics.and(heap, base, ~CPU_STOP)
  // If the machine is lost, the bit says so.
  if (Atomics.load(heap, Header.lostCpu) !== 0) Atomics.or(heap, base, CPU_STOP)
  Atomics.notify(heap, base)
}

/**
 * Whether the thread on the CPU at `base` has obeyed the order to stop: it is outside the kernel with nothing half
 * done, and stays there whatever it does.
 */
export function hasStopped(heap: Int32Array, base: number): boolean {
  const state = Atomics.load(heap, base)
  if ((state & CPU_INSIDE) !== 0 || Atomics.load(heap, base + PerCpu.asleep) !== 0) return false
  // Between the two loads it may have woken from a sleep: then it has entered once more.
  const news = CPU_FLUSH | CPU_INTERRUPT
  return (Atomics.load(heap, base) & ~news) === (state & ~news)
}

/**
 * The thread `heir` claims the CPU of `dead`, a fresh Task of it, whose thread had the host's number `thread` and has
 * died. Of several threads that find it dead, only one succeeds; none does if a new thread has the CPU already, as the
 * host gives a number once. If the heir dies as well, this CPU is one of those that it had.
 */
export function claimDead(dead: Task, thread: number, heir: number): boolean {
  const { heap, base } = dead
  if (thread === NO_THREAD) return false
  return Atomics.compareExchange(heap, base + PerCpu.hostThread, thread, heir) === thread
}

/**
 * The thread of `dead`, a fresh Task of its CPU, has died, and the caller has claimed the CPU. Leaves the kernel in its
 * place, or declares the machine lost if the thread was at work. Returns whether the machine still works.
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
 * A CPU that waits inside the kernel has found that the thread `thread` of `dead` has died. Declares the machine lost
 * if that thread was at work, and keeps other CPUs from waiting for answers of that CPU. The burial takes locks, which
 * the caller may hold, so a thread that comes from outside does it.
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
 * The thread `thread` of `dead` has died. Releases what its CPU kept, and the CPU; or declares the machine lost, if the
 * thread was at work, and throws CpuLostError.
 *
 * `undertaker`, which is outside, counts as asleep in the kernel meanwhile: it has work undone until the burial is
 * over. So a thread that orders it to stop waits, and one that finds it dead knows that the machine is lost.
 */
export function buryCpu(undertaker: Task, dead: Task, thread: number): void {
  callEnter(undertaker)
  leaveForHost(undertaker)
  if (claimDead(dead, thread, threadOf(undertaker))) {
    Atomics.store(dead.heap, dead.base + PerCpu.online, CPU_DEAD)
    if (endStay(dead)) {
      // The order was for the dead thread.
      cancelStop(dead.heap, dead.base)
      releaseCpu(dead)
    }
  }
  returnFromHost(undertaker)
  callExit(undertaker)
}

/** Releases what the CPU of `task`, which is outside, kept, and the CPU. */
export function releaseCpu(task: Task): void {
  const { heap, base } = task
  callEnter(task)
  retireCpu(task)
  callExit(task)
  Atomics.store(heap, base + PerCpu.hostThread, NO_THREAD)
  Atomics.store(heap, base + PerCpu.online, CPU_FREE)
}

/**
 * This thread has the CPU of `task`, whose previous thread has died. Releases what that thread kept. Throws
 * CpuLostError if it was at work.
 */
export function inheritCpu(task: Task): void {
  endStay(task)
  callEnter(task)
  retireCpu(task)
  callExit(task)
}
