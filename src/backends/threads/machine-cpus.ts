// The CPUs of a machine and the threads on them: taking one, giving it back, and what is done when a thread ends.

import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import {
  CPU_COMING,
  CPU_DEAD,
  CPU_FREE,
  CPU_LEAVING,
  CPU_TAKEN,
  Header,
  PerCpu,
  type Task,
  buryCpu,
  cancelStop,
  hasStopped,
  orderStop,
  perCpuBase,
} from '../../kernel/index.ts'
import { ConfigurationError } from './errors.ts'
import { hostAncestors, hostThreadId, isThreadAlive, nativeThreadId } from './liveness.ts'

/**
 * How long somebody who ends a thread waits for it to finish what it does in the kernel, in milliseconds. A call can
 * take long where it moves much, or waits for the disk; one that never ends must not keep the program from ending.
 */
const STOP_PATIENCE_MS = 10_000
const STOP_POLL_MS = 1

export class MachineCpus {
  readonly #heap: Int32Array
  readonly #count: number
  readonly #taskOf: (id: number) => Task
  readonly #afterEnd: () => void

  /**
   * @param taskOf makes the kernel's view of a CPU, as a thread has it that comes to it
   * @param afterEnd called outside the kernel when a thread that this one has started has ended, and was buried
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

  /** Takes a free CPU for this thread. Throws ConfigurationError when there is none. */
  take(): number {
    const [parent, grandparent] = hostAncestors()
    for (const reclaim of [false, true]) {
      if (reclaim) this.buryDead(-1)
      for (let id = 0; id < this.#count; id++) {
        const base = perCpuBase(this.#heap, id)
        // In between, nobody takes it for the thread that had it before.
        if (Atomics.compareExchange(this.#heap, base + PerCpu.online, CPU_FREE, CPU_COMING) !== CPU_FREE)
          continue
        this.#heap[base + PerCpu.hostThread] = hostThreadId()
        this.#heap[base + PerCpu.nativeThread] = nativeThreadId()
        this.#heap[base + PerCpu.hostParent] = parent
        this.#heap[base + PerCpu.hostGrandparent] = grandparent
        // An order to stop that was for the thread before, and came late.
        cancelStop(this.#heap, base)
        Atomics.store(this.#heap, base + PerCpu.online, CPU_TAKEN)
        return id
      }
    }
    const count = this.#count
    throw new ConfigurationError(
      `all ${count} CPUs of the machine are taken: create it with more (cpus: ${count + 1}), or detach a thread first`,
    )
  }

  /** For a thread that has taken CPU `id` and has not come into the kernel. */
  giveBack(id: number): void {
    Atomics.store(this.#heap, perCpuBase(this.#heap, id) + PerCpu.online, CPU_FREE)
  }

  /** Whether no thread but the one on CPU `own` stays. */
  isLast(own: number): boolean {
    return this.#others(own).every((id) => this.#onlineOf(id) !== CPU_TAKEN)
  }

  /** The thread on CPU `own` leaves, or stays after all. Of two that leave at once, the later finds nobody. */
  setLeaving(own: number, leaving: boolean): void {
    const online = perCpuBase(this.#heap, own) + PerCpu.online
    Atomics.store(this.#heap, online, leaving ? CPU_LEAVING : CPU_TAKEN)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Ends that are known beforehand

  /**
   * Has the thread with the runtime's number `hostThread`, and those that it started, stop outside the kernel, as far
   * as they are on CPUs.
   */
  async stopThread(hostThread: number): Promise<void> {
    const ids = this.#cpusOf(hostThread)
    const tenants = ids.map((id) => this.#tenantOf(id))
    for (const id of ids) orderStop(this.#heap, this.#base(id))
    const deadline = performance.now() + STOP_PATIENCE_MS
    const isTenant = (id: number, index: number): boolean =>
      this.#isHeld(id) && this.#tenantOf(id) === tenants[index]
    while (ids.some((id, index) => isTenant(id, index) && !hasStopped(this.#heap, this.#base(id)))) {
      if (this.isLost || performance.now() > deadline) break
      await sleep(STOP_POLL_MS)
    }
    ids.forEach((id, index) => {
      if (!isTenant(id, index)) cancelStop(this.#heap, this.#base(id))
    })
  }

  /** For the end of the worker on CPU `own`, with which those end that it started. */
  stopStarted(own: number): void {
    this.#stopAll(
      own,
      this.#cpusOf(threadId).filter((id) => this.#tenantOf(id) !== hostThreadId()),
    )
  }

  /** Has all threads but the one on CPU `own` stop outside the kernel. For the end of the process. */
  stopOthers(own: number): void {
    this.#stopAll(
      own,
      this.#others(own).filter((id) => this.#onlineOf(id) === CPU_TAKEN),
    )
  }

  #stopAll(own: number, others: readonly number[]): void {
    for (const id of others) orderStop(this.#heap, this.#base(id))
    const deadline = performance.now() + STOP_PATIENCE_MS
    const never = new Int32Array(new SharedArrayBuffer(4))
    while (!this.isLost && !others.every((id) => this.#hasLeft(id))) {
      if (performance.now() > deadline) return
      Atomics.wait(never, 0, 0, STOP_POLL_MS)
      this.buryDead(own)
    }
  }

  /** The thread on CPU `id` has stopped, or has gone by itself. */
  #hasLeft(id: number): boolean {
    return !this.#isHeld(id) || hasStopped(this.#heap, this.#base(id))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Ends that are found out

  /** The thread with the runtime's number `hostThread` has ended. */
  threadEnded(hostThread: number): void {
    for (const id of this.#cpusOf(hostThread)) this.#bury(id)
    if (!this.isLost) this.#afterEnd()
  }

  /** Looks for threads that have died, as far as the operating system tells; CPU `own` is that of this thread. */
  buryDead(own: number): void {
    // Also from inside the kernel, by a thread that waits: without methods of arrays, which may be anybody's.
    for (let id = 0; id < this.#count; id++) {
      if (id === own || !this.#isHeld(id)) continue
      if (!isThreadAlive(this.#heap[this.#base(id) + PerCpu.nativeThread]!)) this.#bury(id)
    }
  }

  #bury(id: number): void {
    const online = this.#onlineOf(id)
    if (online !== CPU_TAKEN && online !== CPU_LEAVING) return
    const task = this.#taskOf(id)
    // Only one thread buries.
    const word = this.#base(id) + PerCpu.online
    if (Atomics.compareExchange(this.#heap, word, online, CPU_DEAD) !== online) return
    if (!this.isLost) buryCpu(task)
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

  #others(own: number): number[] {
    return Array.from({ length: this.#count }, (_, id) => id).filter((id) => id !== own)
  }

  #tenantOf(id: number): number {
    return this.#heap[this.#base(id) + PerCpu.hostThread]!
  }

  /** The CPUs on which the thread is, and those that it started. A worker that has ended has no number: -1. */
  #cpusOf(hostThread: number): number[] {
    if (hostThread < 0) return []
    const fields = [PerCpu.hostThread, PerCpu.hostParent, PerCpu.hostGrandparent]
    return this.#others(-1).filter((id) => {
      return this.#isHeld(id) && fields.some((field) => this.#heap[this.#base(id) + field] === hostThread + 1)
    })
  }
}
