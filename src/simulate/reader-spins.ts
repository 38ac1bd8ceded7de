// How long a writer spins for readers: Linux bounds it by a clock, which the kernel here does not know. It is told when
// that time is over, and then queues; until another writer has had the lock, others queue at once.

import { PerCpu, READER_OWNED, RWSEM_OWNER_WORD, SPUN_FOR_READERS, readersOf } from '../kernel/index.ts'
import type { SimulatedMachine } from './stepped-machine.ts'

/** `rwsem_rspin_threshold`: 10 µs, and half of one for each reader, of which 30 count (kernel/locking/rwsem.c). */
const SPIN_NS = 10_000
const READER_NS = 500
const READERS_MAX = 30

const NOTHING = 0
const NEVER = -1

export class ReaderSpins {
  readonly #machine: SimulatedMachine
  /** The semaphore that a thread asks for, to write; and until when it may spin for its readers. */
  readonly #asked: Int32Array
  readonly #until: Float64Array

  constructor(machine: SimulatedMachine) {
    this.#machine = machine
    this.#asked = new Int32Array(machine.tasks.length)
    this.#until = new Float64Array(machine.tasks.length).fill(NEVER)
  }

  asks(thread: number, semaphore: number): void {
    this.#asked[thread] = semaphore
    this.#until[thread] = NEVER
  }

  answered(thread: number): void {
    if (this.#asked[thread] === NOTHING) return
    this.#asked[thread] = NOTHING
    const { heap, tasks } = this.#machine
    const word = tasks[thread]!.base + PerCpu.needResched
    heap[word] = heap[word]! & ~SPUN_FOR_READERS
  }

  /** Until when a thread that spins at `now` may do so, if for readers; else Infinity. */
  until(thread: number, now: number): number {
    const semaphore = this.#asked[thread]!
    const { heap } = this.#machine
    if (semaphore === NOTHING || (heap[semaphore + RWSEM_OWNER_WORD]! & READER_OWNED) === 0) {
      this.#until[thread] = NEVER
      return Infinity
    }
    if (this.#until[thread] === NEVER)
      this.#until[thread] = now + SPIN_NS + READER_NS * Math.min(READERS_MAX, readersOf(heap[semaphore]!))
    return this.#until[thread]!
  }

  /** Tells a thread if its time is over. Returns whether it is. */
  isOver(thread: number, now: number): boolean {
    if (this.until(thread, now) > now) return false
    const { heap, tasks } = this.#machine
    const word = tasks[thread]!.base + PerCpu.needResched
    heap[word] = heap[word]! | SPUN_FOR_READERS
    return true
  }
}
