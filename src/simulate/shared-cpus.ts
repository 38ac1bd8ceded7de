// A workload with more threads than CPUs: a thread keeps its CPU until it sleeps, or until its time slice is over, it
// is between two calls of the kernel, and others wait.

import { CpuPool } from './cpu-pool.ts'
import type { Topology } from './topology.ts'

export class SharedCpus extends CpuPool {
  /** Of each thread, where it is taken to be before it gets one. */
  readonly beginsOn: readonly number[]
  /** Threads that are in the program, and may lose their CPU before they go on. */
  readonly #isOutside: Uint8Array

  constructor(threads: number, places: readonly number[], topology: Topology) {
    super(threads, places, topology)
    this.beginsOn = Array.from({ length: threads }, (_, thread) => places[thread % places.length]!)
    this.#isOutside = new Uint8Array(threads)
  }

  leftKernel(thread: number): void {
    this.#isOutside[thread] = 1
  }

  isAway(thread: number): boolean {
    return this.#isOutside[thread] === 1 || !this.hasCpu(thread)
  }

  goesOn(thread: number, now: number): boolean {
    if (!this.takes(thread, now)) return false
    if (this.#isOutside[thread] === 0) return true
    this.#isOutside[thread] = 0
    return this.mayLose(thread, now)
  }
}
