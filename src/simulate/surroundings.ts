// What the simulator is given: a machine, a program that it asks about its threads, and who gives them CPUs.

import type { MachineModel } from './machine.ts'
import type { Topology } from './topology.ts'

/** What the simulator has to know of the program that it runs. */
export interface Subject {
  /** The thread is between falling asleep and waking, and its CPU has nothing to do. */
  isAsleep(thread: number): boolean
  /** The thread halts where it could as well spin. */
  isHalted(thread: number): boolean
  /** What it sleeps for: a word of memory; 0 where that is not known. */
  lockOf(thread: number): number
}

/**
 * Where threads are given CPUs, and do something else between what they do in the kernel. Unless there is one, each
 * thread has a CPU of its own.
 */
export interface CpuScheduler {
  /** Whether a thread is to be asked for before it does its next operation. */
  isAway(thread: number): boolean
  /** Whether it goes on at `now`, which is the earliest time of all. If not, it is resumed. */
  goesOn(thread: number, now: number): boolean
  /** A thread falls asleep in the kernel, or is woken: whether it has a CPU then. If not, it is resumed. */
  slept(thread: number, now: number): void
  woke(thread: number, now: number): boolean
  /** Until when a thread that spins in the kernel keeps its CPU, whoever waits for one; Infinity if it has none. */
  spinsUntil(thread: number): number
  /** It has spun until then: whether it is told to leave the CPU. If not, it has got further time. */
  isToLeave(thread: number, now: number): boolean
  finished(thread: number, now: number): void
}

export interface SimulatorOptions {
  readonly scheduler?: CpuScheduler
  readonly machine: MachineModel
  readonly topology: Topology
  /** The CPU of each thread. */
  readonly places: readonly number[]
  readonly subject: Subject
  /** When each thread begins, in nanoseconds. */
  readonly begin: Float64Array
  /** How far ahead a CPU may run, in nanoseconds. Default 250; with 0 every order is exact. */
  readonly aheadNs?: number
}
