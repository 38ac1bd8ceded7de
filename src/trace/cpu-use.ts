/**
 * Whether recorded threads lack CPUs, which tells what waiting for the mmap lock cost: a thread that sleeps while
 * others have all the CPUs delays nobody, as its CPU works for them; one that spins, or sleeps while a CPU has nothing
 * to do, does. And who holds the lock of another process takes a CPU from it if its threads wait for one.
 *
 * Principle: a CPU that has no recorded thread is idle, as of others nothing is known (unless all was recorded, -a).
 */

import { Histogram } from './histogram.ts'

/** Of fewer times a median tells nothing. */
const WAKE_UPS_MIN = 100

/** What a thread is at; `waiting` for the mmap lock, without a CPU. */
export type CpuState = 'running' | 'queued' | 'waiting' | 'sleeping'

/**
 * How many threads of a process are at work, be it that they wait for a CPU or for the mmap lock: one of k that waits
 * for a moment delays the whole by the kth part of that.
 */
export class AtWork {
  #threads = 0
  /** The sum of moments, each divided by the threads at work in it. */
  #sharedNs = 0
  #sinceNs = 0

  changed(from: CpuState, to: CpuState, now: number): void {
    const by = Number(to !== 'sleeping') - Number(from !== 'sleeping')
    if (by === 0) return
    this.#sharedNs = this.sharedNs(now)
    this.#sinceNs = Math.max(this.#sinceNs, now)
    this.#threads += by
  }

  /** What one thread's standing still from the beginning until now would have delayed the whole, in nanoseconds. */
  sharedNs(now: number): number {
    return this.#sharedNs + Math.max(0, now - this.#sinceNs) / Math.max(1, this.#threads)
  }
}

/**
 * The CPUs that the threads of one program have, and by how much processes that it has forked delay its others, which
 * lack the CPUs that those have: for each CPU that one of k threads at work lacks, by the kth part.
 */
export class ProgramUse {
  /** Threads of forked processes that have a CPU. */
  #forked = 0
  /** Of the others: those that have one, those that could run and have none, and those at work. */
  #running = 0
  #queued = 0
  #atWork = 0
  #delayedNs = 0
  #sinceNs = 0

  changed(isForked: boolean, from: CpuState, to: CpuState, now: number): void {
    this.#delayedNs = this.delayedByForkedNs(now)
    this.#sinceNs = Math.max(this.#sinceNs, now)
    const by = (isSo: (state: CpuState) => boolean): number => Number(isSo(to)) - Number(isSo(from))
    const running = by((state) => state === 'running')
    if (isForked) {
      this.#forked += running
      return
    }
    this.#running += running
    this.#queued += by((state) => state === 'queued')
    this.#atWork += by((state) => state !== 'sleeping')
  }

  /** Threads that have a CPU. */
  get running(): number {
    return this.#forked + this.#running
  }

  /** Of these: those of processes that it has not forked. */
  get runningUnforked(): number {
    return this.#running
  }

  /** From the beginning until now, or at least until a thread changed last, in nanoseconds. */
  delayedByForkedNs(now: number): number {
    const lacking = Math.min(this.#forked, this.#queued)
    return this.#delayedNs + (lacking * Math.max(0, now - this.#sinceNs)) / Math.max(1, this.#atWork)
  }
}

/** For how long something was so, while it changes. */
class Duration {
  #ns = 0
  isSo = false
  #sinceNs = 0

  set(isSo: boolean, now: number): void {
    this.#ns = this.until(now)
    this.isSo = isSo
    this.#sinceNs = Math.max(this.#sinceNs, now)
  }

  until(now: number): number {
    return this.#ns + (this.isSo ? Math.max(0, now - this.#sinceNs) : 0)
  }
}

export class CpuUse {
  readonly #threads = { running: 0, queued: 0, waiting: 0, sleeping: 0 }
  readonly #idle = new Duration()
  readonly #short = new Duration()
  #waitedNs = 0
  #costlyNs = 0
  /** CPU time of all threads, and for how long any had a CPU. */
  #runningNs = 0
  #busyNs = 0
  #sinceNs = 0
  #wakeUps = 0
  readonly #latencies = new Histogram()

  /** A thread goes from one state to another; there are so many CPUs. */
  changed(from: CpuState, to: CpuState, cpus: number, now: number): void {
    const ns = Math.max(0, now - this.#sinceNs)
    this.#sinceNs = now
    this.#runningNs += this.#threads.running * ns
    if (this.#threads.running > 0) this.#busyNs += ns
    this.#threads[from]--
    this.#threads[to]++
    this.#idle.set(this.#threads.running < cpus, now)
    this.#short.set(this.#threads.queued > 0, now)
  }

  /** How much of the elapsed time the CPU time of threads was, 0..1, as CPUs were used side by side. */
  get elapsedShare(): number {
    return this.#runningNs === 0 ? 0 : this.#busyNs / this.#runningNs
  }

  /** For how long, from the beginning until now, a CPU was idle, in nanoseconds. */
  idleNs(now: number): number {
    return this.#idle.until(now)
  }

  /** For how long a thread had no CPU though it could run. */
  shortNs(now: number): number {
    return this.#short.until(now)
  }

  get hasIdle(): boolean {
    return this.#idle.isSo
  }

  /** A thread runs that was woken so long ago, when a CPU was idle. */
  ran(ns: number): void {
    this.#wakeUps++
    this.#latencies.record(Math.max(1, Math.round(ns)))
  }

  /** Until a thread that is woken runs on an idle CPU: the median in nanoseconds; 0 where there are too few. */
  get wakeLatencyNs(): number {
    return this.#wakeUps < WAKE_UPS_MIN ? 0 : this.#latencies.percentile(50)
  }

  /**
   * A thread has waited for the lock.
   * @param offNs how much of that it had no CPU
   * @param idleNs for how long a CPU was idle meanwhile
   */
  waited(ns: number, offNs: number, idleNs: number): void {
    this.#waitedNs += ns
    this.#costlyNs += Math.max(0, ns - Math.max(0, offNs - idleNs))
  }

  /** How much of the time that threads waited did cost time, 0..1; 1 where they did not wait. */
  get costlyShare(): number {
    return this.#waitedNs === 0 ? 1 : Math.min(1, this.#costlyNs / this.#waitedNs)
  }
}
