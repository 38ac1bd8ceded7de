// More threads than CPUs: which of them have one. Any CPU that is free takes the thread that has waited longest. What
// threads do between their calls of the kernel is said by those that extend it.

import type { OtherPrograms } from './other-programs.ts'
import type { Simulator } from './simulator.ts'
import type { CpuScheduler } from './surroundings.ts'
import type { Topology } from './topology.ts'

/**
 * How long a thread runs at least while others wait: `sysctl_sched_base_slice`, which the kernel multiplies by the
 * logarithm of the CPUs, and within which it lets no other thread preempt it (`RUN_TO_PARITY`): kernel/sched/fair.c and
 * features.h of Linux 6.12 and later.
 */
const BASE_SLICE_NS = 700_000
const SCALED_CPUS_MAX = 8

function sliceOf(cpus: number): number {
  return BASE_SLICE_NS * (1 + Math.floor(Math.log2(Math.min(cpus, SCALED_CPUS_MAX))))
}

const NO_CPU = -1
const NOBODY = -1

export abstract class CpuPool implements CpuScheduler {
  /** The CPUs of the machine that are used. */
  readonly places: readonly number[]
  readonly #topology: Topology
  readonly #sliceNs: number
  readonly #others: OtherPrograms | null
  #simulator!: Simulator
  #tell!: (thread: number, isToLeave: boolean) => void
  readonly #cpuOf: Int32Array
  readonly #sliceEnd: Float64Array
  readonly #since: Float64Array
  readonly #idle: number[]
  readonly #runnable: number[] = []
  readonly #runnableSince: Float64Array
  #busyNs = 0
  /** How long threads waited for a CPU, all together, in nanoseconds. */
  queuedNs = 0

  /**
   * @param places the CPUs of the machine that are used
   * @param others what other programs take of them
   */
  constructor(
    threads: number,
    places: readonly number[],
    topology: Topology,
    others: OtherPrograms | null = null,
  ) {
    this.places = places
    this.#others = others
    this.#topology = topology
    this.#sliceNs = sliceOf(places.length)
    this.#cpuOf = new Int32Array(threads).fill(NO_CPU)
    this.#runnableSince = new Float64Array(threads)
    this.#sliceEnd = new Float64Array(places.length)
    this.#since = new Float64Array(places.length)
    // The last is taken first.
    this.#idle = places.map((_, cpu) => places.length - 1 - cpu)
  }

  abstract isAway(thread: number): boolean
  abstract goesOn(thread: number, now: number): boolean

  /**
   * Before anything else, once the simulator is there.
   *
   * @param tell notes that a thread is to leave its CPU, or has left it: `TIF_NEED_RESCHED`
   */
  attach(simulator: Simulator, tell: (thread: number, isToLeave: boolean) => void): void {
    this.#simulator = simulator
    this.#tell = tell
  }

  /** Whether some CPU has no thread, and no other program. */
  hasIdle(now: number): boolean {
    return this.#idle.some((cpu) => !this.#isTaken(cpu, now))
  }

  hasCpu(thread: number): boolean {
    return this.#cpuOf[thread] !== NO_CPU
  }

  /** How long CPUs have had a thread until `now`, all together, in nanoseconds. */
  busyNs(now: number): number {
    let busy = this.#busyNs
    for (const cpu of this.#cpuOf) if (cpu !== NO_CPU) busy += Math.max(0, now - this.#since[cpu]!)
    return busy
  }

  slept(thread: number, now: number): void {
    this.letGo(thread, now)
  }

  woke(thread: number, now: number): boolean {
    return this.takes(thread, now)
  }

  finished(thread: number, now: number): void {
    this.letGo(thread, now)
  }

  spinsUntil(thread: number): number {
    return this.hasCpu(thread) ? this.sliceEnd(thread, this.#simulator.clock[thread]!) : Infinity
  }

  isToLeave(thread: number, now: number): boolean {
    const cpu = this.#cpuOf[thread]!
    if (this.#runnable.length === 0 && !this.#isTaken(cpu, now)) {
      this.#sliceEnd[cpu] = now + this.#sliceNs
      return false
    }
    this.#tell(thread, true)
    return true
  }

  /** Whether the thread has a CPU, or gets one. If not, it is resumed when it does. */
  takes(thread: number, now: number): boolean {
    if (this.#cpuOf[thread] !== NO_CPU) return true
    if (!this.#runnable.includes(thread)) {
      this.#runnable.push(thread)
      this.#runnableSince[thread] = now
    }
    this.#giveOut(now, thread)
    return this.#cpuOf[thread] !== NO_CPU
  }

  /** Gives up the CPU of a thread, if it has one. */
  letGo(thread: number, now: number): false {
    const cpu = this.#cpuOf[thread]!
    if (cpu === NO_CPU) return false
    this.#cpuOf[thread] = NO_CPU
    this.#tell(thread, false)
    this.#busyNs += now - this.#since[cpu]!
    this.#idle.push(cpu)
    this.#giveOut(now, NOBODY)
    return false
  }

  /** Gives CPUs to who has waited longest. Those that get one are resumed, but for the one that asks. */
  #giveOut(now: number, asking: number): void {
    while (this.#runnable.length > 0) {
      const at = this.#idle.findLastIndex((cpu) => !this.#isTaken(cpu, now))
      if (at < 0) break
      const [cpu] = this.#idle.splice(at, 1)
      const next = this.#runnable.shift()!
      const time = Math.max(now, this.#runnableSince[next]!)
      this.queuedNs += time - this.#runnableSince[next]!
      this.#give(next, cpu!, time)
      if (next !== asking) this.#simulator.resume(next, time)
    }
    this.#awaitOthers(now)
  }

  /** Who waits asks again when another program gives a CPU back. */
  #awaitOthers(now: number): void {
    const others = this.#others
    if (others === null || this.#idle.length === 0) return
    const time = this.#idle.reduce((first, cpu) => Math.min(first, others.until(cpu, now)), Infinity)
    for (const thread of this.#runnable)
      this.#simulator.resume(thread, Math.max(time, this.#runnableSince[thread]!))
  }

  #isTaken(cpu: number, now: number): boolean {
    return this.#others !== null && this.#others.until(cpu, now) > now
  }

  /**
   * A thread with a CPU may lose it here: it does where its time slice is over and others wait, or another program has
   * come to the CPU. Returns whether it still has one.
   */
  mayLose(thread: number, now: number): boolean {
    const cpu = this.#cpuOf[thread]!
    const isTaken = this.#isTaken(cpu, now)
    if (this.#sliceEnd[cpu]! > now && !isTaken) return true
    if (this.#runnable.length > 0 || isTaken) {
      this.letGo(thread, now)
      return this.takes(thread, now)
    }
    this.#sliceEnd[cpu] = now + this.#sliceNs
    this.#tell(thread, false)
    return true
  }

  /** Until when, from `now` on, the thread keeps the CPU that it has. */
  sliceEnd(thread: number, now: number): number {
    const cpu = this.#cpuOf[thread]!
    return Math.min(this.#sliceEnd[cpu]!, this.#others?.next(cpu, now) ?? Infinity)
  }

  #give(thread: number, cpu: number, now: number): void {
    this.#cpuOf[thread] = cpu
    this.#since[cpu] = now
    this.#sliceEnd[cpu] = now + this.#sliceNs
    this.#simulator.moveTo(thread, this.#topology.coreOf(this.places[cpu]!))
  }
}
