// The end of a thread, seen from the others.
//
// A host can end a thread at any moment. Where it is known beforehand, the thread is ordered to stop: it finishes what
// it has begun in the kernel, is refused at the next entry, and is outside, holding nothing, when the host ends it.
// Where it is not, what counts is whether it was at work (see beginWork() of machine/cpu.ts): an access without a fault
// changes nothing that would have to be set right, so that another thread can leave the kernel in its place. In the
// middle of a fault or a call the thread may have held anything, and what it had half done is known to nobody: the
// machine is lost, and everybody is told.

import {
  CPU_FLUSH,
  CPU_INSIDE,
  CPU_INTERRUPT,
  CPU_STOP,
  callEnter,
  callExit,
  declareCpuLost,
  exitTornStay,
} from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { retireCpu } from './mm-lifecycle.ts'
import type { Task } from './task.ts'

// What the word `online` of a CPU says: it is free, a thread has it, its thread is dead, leaves, or is just coming.
export const CPU_FREE = 0
export const CPU_TAKEN = 1
export const CPU_DEAD = 2
export const CPU_LEAVING = 3
export const CPU_COMING = 4

/** Orders the thread on the CPU at `base` to stop, for good. */
export function orderStop(heap: Int32Array, base: number): void {
  Atomics.or(heap, base, CPU_STOP)
}

/** Takes an order back that has met another thread than it was for: the one before has left the CPU by itself. */
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
 * The thread of `dead` has died. Gives back what its CPU kept, and the CPU; or declares the machine lost, where the
 * thread was at work. `dead` is a fresh Task of that CPU, whose `online` word is CPU_DEAD. Returns whether the machine
 * stands.
 */
export function buryCpu(dead: Task): boolean {
  const { heap, base } = dead
  if (heap[base + PerCpu.atWork] !== 0 || Atomics.load(heap, base + PerCpu.asleep) !== 0) {
    declareCpuLost(heap, dead.id)
    return false
  }
  // The order was for the thread.
  const state = Atomics.and(heap, base, ~CPU_STOP)
  if ((state & CPU_INSIDE) !== 0) {
    dead.entered = true
    exitTornStay(dead)
  }
  releaseCpu(dead)
  return true
}

/** Gives back what the CPU of `task`, which is outside, kept, and the CPU. */
export function releaseCpu(task: Task): void {
  const { heap, base } = task
  callEnter(task)
  retireCpu(task)
  callExit(task)
  Atomics.store(heap, base + PerCpu.online, CPU_FREE)
}
