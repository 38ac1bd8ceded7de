// A workload with more threads than CPUs: a thread keeps its CPU until it sleeps, or until its time slice is over, it
// is between two calls of the kernel, and others wait.

import { CpuPool } from './cpu-pool.ts'
import type { CpuScheduler, Simulator } from './simulator.ts'
import type { Topology } from './topology.ts'

export class SharedCpus implements CpuScheduler {
  /** The CPUs of the machine that are used. */
  readonly places: readonly number[]
  /** Of each thread, where it is taken to be before it gets one. */
  readonly beginsOn: readonly number[]
  readonly #pool: CpuPool
  /** Threads that are in the program, and may lose their CPU before they go on. */
  readonly #isOutside: Uint8Array

  constructor(threads: number, places: readonly number[], topology: Topology) {
    this.places = places
    this.beginsOn = Array.from({ length: threads }, (_, thread) => places[thread % places.length]!)
    this.#pool = new CpuPool(threads, places, topology)
    this.#isOutside = new Uint8Array(threads)
  }

  attach(simulator: Simulator): void {
    this.#pool.attach(simulator)
  }

  hasCpu(thread: number): boolean {
    return this.#pool.hasCpu(thread)
  }

  busyNs(now: number): number {
    return this.#pool.busyNs(now)
  }

  leftKernel(thread: number): void {
    this.#isOutside[thread] = 1
  }

  isAway(thread: number): boolean {
    return this.#isOutside[thread] === 1 || !this.#pool.hasCpu(thread)
  }

  goesOn(thread: number, now: number): boolean {
    if (!this.#pool.takes(thread, now)) return false
    if (this.#isOutside[thread] === 0) return true
    this.#isOutside[thread] = 0
    return this.#pool.mayLose(thread, now)
  }

  slept(thread: number, now: number): void {
    this.#pool.letGo(thread, now)
  }

  woke(thread: number, now: number): boolean {
    return this.#pool.takes(thread, now)
  }

  finished(thread: number, now: number): void {
    this.#pool.letGo(thread, now)
  }
}
