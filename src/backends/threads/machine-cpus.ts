// The CPUs of a machine and the threads on them: taking one, giving it back, and cleaning up when a thread ends.

import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import {
  CPU_COMING,
  CPU_FREE,
  CPU_LEAVING,
  CPU_TAKEN,
  CpuLostError,
  FLUSHER_STOP,
  Header,
  NO_THREAD,
  PerCpu,
  type Task,
  buryCpu,
  cancelStop,
  claimDead,
  hasStopped,
  noticeDead,
  orderStop,
  perCpuBase,
} from '../../kernel/index.ts'
import { ConfigurationError } from './errors.ts'
import { hostAncestors, hostThreadId, isThreadAlive, nativeThreadId } from './liveness.ts'

/**
 * How long a thread that terminates another waits for it to leave the kernel, in milliseconds. A call can take long if
 * it moves much, or waits for the disk; a call that never ends must not keep the program from ending.
 */
const STOP_PATIENCE_MS = 10_000
const STOP_POLL_MS = 1

/** CPU `id` belongs to the thread with the runtime's number `thread`. */
interface Tenancy {
  readonly id: number
  readonly thread: number
}

/** The runtime's numbers of a thread and of its ancestors. */
interface HostNames {
  readonly parent: number
  readonly grandparent: number
  readonly native: number
}

export interface Taken {
  readonly id: number
  /** The CPU belonged to a thread that has died, which may have left something on it. */
  readonly inherited: boolean
}

export class MachineCpus {
  /** The kernel's view of this thread's CPU, once it has one. */
  own: Task | null = null
  readonly #heap: Int32Array
  readonly #count: number
  readonly #taskOf: (id: number) => Task
  readonly #afterEnd: () => void

  /**
   * @param taskOf makes the kernel's view of a CPU for the thread that takes it
   * @param afterEnd called outside the kernel after a thread that this one has started has ended and its CPU was
   * cleaned up
   */
  constructor(heap: Int32Array, taskOf: (id: number) => Task, afterEnd: () => void) {
    this.#afterEnd = afterEnd
    this.#heap = heap
    this.#count = heap[Header.cpuCount]!
    this.#taskOf = taskOf
  }

  get isLost(): boolean {
    return Atomics.load(this.#heap, Header.lostCpu) !== 0
  }

  /**
   * Takes a CPU for this thread: a free one, or that of a thread that has died, which may have left something on it:
   * {@link inheritCpu} must follow. Throws ConfigurationError when there is none.
   */
  take(): Taken {
    const id = this.#takeOf(this.#ordinary())
    if (id !== null) return id
    const count = this.#ordinary().length
    throw new ConfigurationError(
      `all ${count} CPUs of the machine are taken: create it with more (cpus: ${count + 1}), or detach a thread first`,
    )
  }

  /** Takes the flusher's CPU, for the flusher. Throws ConfigurationError if it is taken. */
  takeFlusher(): Taken {
    const taken = this.#takeOf([this.#flusher])
    if (taken === null) throw new ConfigurationError('the machine has a thread that writes files back')
    return taken
  }

  /** Takes one of these CPUs; null if none is free. */
  #takeOf(ids: readonly number[]): Taken | null {
    // Read before a CPU is taken: a getter that a program has put on a prototype may throw.
    const [parent, grandparent] = hostAncestors()
    const names = { parent, grandparent, native: nativeThreadId() }
    for (const id of ids) {
      const online = this.#base(id) + PerCpu.online
      // Until then, no thread can mistake it for the thread that had the CPU before.
      if (Atomics.compareExchange(this.#heap, online, CPU_FREE, CPU_COMING) !== CPU_FREE) continue
      // Clears an order to stop that was meant for the earlier thread and came late.
      cancelStop(this.#heap, this.#base(id))
      this.#moveIn(id, names)
      Atomics.store(this.#heap, online, CPU_TAKEN)
      return { id, inherited: false }
    }
    for (const id of ids) {
      const dead = this.#findDead(id)
      if (dead === NO_THREAD || !claimDead(this.#taskOf(id), dead, hostThreadId())) continue
      cancelStop(this.#heap, this.#base(id))
      Atomics.store(this.#heap, this.#base(id) + PerCpu.online, CPU_TAKEN)
      this.#moveIn(id, names)
      return { id, inherited: true }
    }
    return null
  }

  #moveIn(id: number, names: HostNames): void {
    const base = this.#base(id)
    Atomics.store(this.#heap, base + PerCpu.hostThread, hostThreadId())
    this.#heap[base + PerCpu.hostParent] = names.parent
    this.#heap[base + PerCpu.hostGrandparent] = names.grandparent
    Atomics.store(this.#heap, base + PerCpu.nativeThread, names.native)
    Atomics.store(this.#heap, base + PerCpu.nativeOf, hostThreadId())
  }

  /** For a thread that has taken a CPU and could not enter the kernel. It keeps an inherited CPU until it ends. */
  giveBack({ id, inherited }: Taken): void {
    if (inherited) return
    Atomics.store(this.#heap, this.#base(id) + PerCpu.hostThread, NO_THREAD)
    Atomics.store(this.#heap, this.#base(id) + PerCpu.online, CPU_FREE)
  }

  /**
   * Whether no thread stays but the one on CPU `own`. The flusher leaves with the last thread, and is never the last.
   */
  isLast(own: number): boolean {
    return own !== this.#flusher && this.isAlone(own)
  }

  /** Whether no thread stays but the one on CPU `own` and the flusher. */
  isAlone(own: number): boolean {
    return this.#ordinary().every((id) => id === own || this.#onlineOf(id) !== CPU_TAKEN)
  }

  /** Whether the flusher is attached, as far as can be told, or may still attach. */
  flusherState(): 'present' | 'absent' | 'coming' {
    if (this.#flusher < 0) return 'absent'
    const online = this.#onlineOf(this.#flusher)
    if (online !== CPU_TAKEN) return Atomics.load(this.#heap, Header.flusherCame) === 0 ? 'coming' : 'absent'
    return this.#findDead(this.#flusher) === NO_THREAD ? 'present' : 'absent'
  }

  /** Tells the flusher to leave, and waits until it has. For the last thread, before it closes the files. */
  stopFlusher(): void {
    if (this.#flusher < 0) return
    Atomics.store(this.#heap, Header.flusherWake, FLUSHER_STOP)
    Atomics.notify(this.#heap, Header.flusherWake)
    const deadline = performance.now() + STOP_PATIENCE_MS
    const never = new Int32Array(new SharedArrayBuffer(4))
    while (!this.isLost && this.#isTaken(this.#flusher) && performance.now() < deadline) {
      Atomics.wait(never, 0, 0, STOP_POLL_MS)
      this.#buryDead()
    }
  }

  /** The number of the flusher's CPU; -1 without one. */
  get #flusher(): number {
    return this.#heap[Header.flusherCpu]! - 1
  }

  /** The CPUs that are for any thread. */
  #ordinary(): number[] {
    return this.#others(this.#flusher)
  }

  /**
   * Marks the thread on CPU `own` as leaving, or as staying after all. Of two that leave at once, the later finds no
   * other.
   */
  setLeaving(own: number, leaving: boolean): void {
    const online = perCpuBase(this.#heap, own) + PerCpu.online
    Atomics.store(this.#heap, online, leaving ? CPU_LEAVING : CPU_TAKEN)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Ends that are known beforehand

  /**
   * Makes the thread with the runtime's number `hostThread`, and those that it started, stop outside the kernel, if
   * they have CPUs.
   */
  async stopThread(hostThread: number): Promise<void> {
    const tenants = new Map<number, number>()
    const deadline = performance.now() + STOP_PATIENCE_MS
    while (!this.#haveStopped(this.#cpusOf(hostThread), tenants)) {
      if (this.isLost || performance.now() > deadline) return
      await sleep(STOP_POLL_MS)
    }
  }

  /** For the end of this worker, with which the threads that it started end too. */
  stopStarted(): void {
    this.#stopAll(() => this.#cpusOf(threadId).filter(({ thread }) => thread !== hostThreadId()))
  }

  /** Makes all threads but the one on CPU `own` stop outside the kernel. For the end of the process. */
  stopOthers(own: number): void {
    this.#stopAll(() => this.#tenancies().filter(({ id }) => id !== own))
  }

  #stopAll(others: () => readonly Tenancy[]): void {
    const tenants = new Map<number, number>()
    const deadline = performance.now() + STOP_PATIENCE_MS
    const never = new Int32Array(new SharedArrayBuffer(4))
    while (!this.isLost && !this.#haveStopped(others(), tenants)) {
      if (performance.now() > deadline) return
      Atomics.wait(never, 0, 0, STOP_POLL_MS)
      this.#buryDead()
    }
  }

  /**
   * One turn of waiting for threads to stop: orders all that it finds to stop. It looks for them anew each time, since
   * a thread may take a CPU meanwhile. Returns whether all of them have stopped or left by themselves.
   *
   * @param tenants for each CPU, the thread that the order was meant for
   */
  #haveStopped(found: readonly Tenancy[], tenants: Map<number, number>): boolean {
    for (const { id, thread } of found) {
      if (tenants.get(id) === thread) continue
      tenants.set(id, thread)
      orderStop(this.#heap, this.#base(id))
    }
    for (const [id, tenant] of tenants) {
      if (this.#isTaken(id) && this.#tenantOf(id) === tenant) continue
      // At once, since the thread that has the CPU by now may have to finish something there: cleaning up after a dead
      // one.
      cancelStop(this.#heap, this.#base(id))
      tenants.delete(id)
    }
    return [...tenants.keys()].every((id) => hasStopped(this.#heap, this.#base(id)))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Ends that are found out

  /** The thread with the runtime's number `hostThread` has ended. */
  threadEnded(hostThread: number): void {
    const found = this.#cpusOf(hostThread)
    // All of its CPUs before the first is cleaned up, which may wait for something that the thread held on another.
    for (const { id, thread } of found) this.#notice(id, thread)
    for (const { id, thread } of found) {
      // The thread ended while it was taking the CPU, and has left nothing on it.
      if (this.#onlineOf(id) === CPU_COMING) this.#turnAway(id, thread)
      else this.#bury(id, thread)
    }
    if (!this.isLost) this.#afterEnd()
  }

  #turnAway(id: number, thread: number): void {
    if (claimDead(this.#taskOf(id), thread, NO_THREAD))
      Atomics.compareExchange(this.#heap, this.#base(id) + PerCpu.online, CPU_COMING, CPU_FREE)
  }

  /**
   * Cleans up after threads that have died, as far as the operating system reports them. Not from inside the kernel.
   */
  #buryDead(): void {
    for (let id = 0; id < this.#count; id++) {
      const dead = this.#findDead(id)
      if (dead !== NO_THREAD) this.#bury(id, dead)
    }
  }

  /** Declares the machine lost if a thread has died at work. Called inside the kernel, by a thread that waits. */
  noticeDead(): void {
    // Without methods of arrays, which a program may have replaced.
    for (let id = 0; id < this.#count; id++) {
      const dead = this.#findDead(id)
      if (dead !== NO_THREAD) this.#notice(id, dead)
    }
  }

  /** Whether the thread with this number has a CPU, and lives as far as the operating system reports. */
  isPresent(matches: (number: number) => boolean): boolean {
    return this.#tenancies().some(({ id, thread }) => matches(thread) && this.#findDead(id) !== thread)
  }

  #notice(id: number, thread: number): void {
    if (this.own !== null) noticeDead(this.own, this.#taskOf(id), thread)
  }

  /** The number of the thread on CPU `id`, if the operating system says that it is dead. */
  #findDead(id: number): number {
    if (!this.#isHeld(id)) return NO_THREAD
    const thread = this.#tenantOf(id)
    // In this order: see `nativeOf`.
    if (Atomics.load(this.#heap, this.#base(id) + PerCpu.nativeOf) !== thread) return NO_THREAD
    const native = Atomics.load(this.#heap, this.#base(id) + PerCpu.nativeThread)
    return isThreadAlive(native) ? NO_THREAD : thread
  }

  #bury(id: number, thread: number): void {
    const { own } = this
    if (own === null || this.isLost) return
    const dead = this.#taskOf(id)
    dead.host = own.host
    try {
      buryCpu(own, dead, thread)
    } catch (error) {
      // The next thread that uses the machine gets the error.
      if (!(error instanceof CpuLostError)) throw error
    }
  }

  // -------------------------------------------------------------------------------------------------------------------

  #base(id: number): number {
    return perCpuBase(this.#heap, id)
  }

  #onlineOf(id: number): number {
    return Atomics.load(this.#heap, this.#base(id) + PerCpu.online)
  }

  #isHeld(id: number): boolean {
    const online = this.#onlineOf(id)
    return online === CPU_TAKEN || online === CPU_LEAVING
  }

  /** Whether a thread has the CPU, or is taking it. */
  #isTaken(id: number): boolean {
    return this.#isHeld(id) || this.#onlineOf(id) === CPU_COMING
  }

  #others(own: number): number[] {
    return Array.from({ length: this.#count }, (_, id) => id).filter((id) => id !== own)
  }

  #tenantOf(id: number): number {
    return Atomics.load(this.#heap, this.#base(id) + PerCpu.hostThread)
  }

  /** The threads that have the CPUs. */
  #tenancies(): Tenancy[] {
    return this.#others(-1)
      .filter((id) => this.#isTaken(id))
      .map((id) => ({ id, thread: this.#tenantOf(id) }))
  }

  /** The CPUs of the thread and of those that it started. A worker that has ended has no number: -1. */
  #cpusOf(hostThread: number): Tenancy[] {
    if (hostThread < 0) return []
    const ancestors = [PerCpu.hostParent, PerCpu.hostGrandparent]
    return this.#tenancies().filter(({ id, thread }) => {
      if (thread === hostThread + 1) return true
      const base = this.#base(id)
      // In this order, as in #findDead(): read earlier, they may be the ancestors of the thread that had the CPU
      // before.
      if (Atomics.load(this.#heap, base + PerCpu.nativeOf) !== thread) return false
      return ancestors.some((field) => this.#heap[base + field] === hostThread + 1)
    })
  }
}
