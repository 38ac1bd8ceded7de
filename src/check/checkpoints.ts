// States of an execution, one every few events. Executions that have their beginning in common with it go back to one
// of them, instead of running the beginning again.
//
// A state is the frames of the threads and how they stand, a mark in the log of memory, and what the subject keeps
// besides. Only subjects that can tell all of that have a `saver`: the others are run again from the beginning. The
// states are a stack, as the explorer goes back to the last event at which something is left to be tried.

import {
  CannotSave,
  type MemoryMark,
  type Sleepers,
  Thread,
  memory,
  whoSleeps,
} from '../backends/stepped/index.ts'

/** Saves and restores what belongs to the state of a subject and is neither in memory nor in the threads. */
export interface Saver {
  /** Saves it in what an earlier call returned, or in something new. */
  save(threads: readonly Thread[], into: unknown): unknown
  restore(saved: unknown): void
}

interface Checkpoint {
  event: number
  /** How each thread stood: what is kept of it here, or what an earlier state has, where it has not run since. */
  readonly threads: Thread[]
  /** Room for what is kept here. */
  readonly own: readonly Thread[]
  sleepers: Sleepers
  mark: MemoryMark
  lastThread: number
  readonly wokenBy: Int32Array
  subject: unknown
}

/** As long as it takes to save a state, so many events take. */
const EVENTS_PER_SAVE = 12
const STRIDE_MIN = 8
/**
 * Of the states on a path that is new, an execution goes back to one in four, or in ten; of those where an execution
 * differs from the last, to half, as what is below is explored next. So the former are so many times as far apart.
 */
const STRIDES_IF_NEW = 4
/** States at most: one takes about 12 KiB for each thread. */
const CHECKPOINTS_MAX = 512

export class Checkpoints {
  readonly #threads: readonly Thread[]
  readonly #saver: Saver
  readonly #points: Checkpoint[] = []
  #count = 0
  /** Why no states are saved any more, where one could not be. */
  refusal: CannotSave | null = null
  /** Events from one state to the next. */
  #stride = STRIDE_MIN

  constructor(threads: readonly Thread[], saver: Saver) {
    this.#threads = threads
    this.#saver = saver
  }

  /** Another execution begins from the beginning. */
  clear(): void {
    this.#count = 0
  }

  /**
   * So many events that no execution shares with the one before are in one of them, in the mean. As many states are
   * saved that what they cost, and what is run again from the nearest to where something else is tried, is least.
   */
  expect(fresh: number): void {
    this.#stride = Math.max(STRIDE_MIN, Math.round(Math.sqrt(2 * EVENTS_PER_SAVE * fresh)))
  }

  /** An execution that differs from the last from the event `branch` on has come to an event. */
  isWanted(event: number, branch: number): boolean {
    if (this.refusal !== null || event < branch) return false
    const last = this.#count === 0 ? 0 : this.#points[this.#count - 1]!.event
    const stride = event === branch ? STRIDE_MIN : this.#stride * STRIDES_IF_NEW
    return event - last >= stride && this.#count < CHECKPOINTS_MAX
  }

  /** All threads have stopped before the event. */
  save(event: number, lastThread: number, wokenBy: Int32Array): void {
    const point = (this.#points[this.#count] ??= this.#newPoint())
    try {
      point.subject = this.#saver.save(this.#threads, point.subject)
    } catch (error) {
      this.#refuse(error)
      return
    }
    this.#count++
    point.event = event
    this.#keepThreads(point)
    point.sleepers = whoSleeps()
    point.lastThread = lastThread
    point.wokenBy.set(wokenBy)
    point.mark = memory.mark()
  }

  /** After it, each thread stands as the state at the top says. */
  #keepThreads(point: Checkpoint): void {
    const below = this.#count < 2 ? null : this.#points[this.#count - 2]!
    for (const thread of this.#threads) {
      const { id } = thread
      const last = below?.threads[id]
      if (last !== undefined && thread.stands(last)) {
        point.threads[id] = last
        continue
      }
      const kept = point.own[id]!
      kept.copyFrom(thread)
      point.threads[id] = kept
      thread.hasRun = false
    }
  }

  #refuse(error: unknown): void {
    if (!(error instanceof CannotSave)) throw error
    this.refusal = error
    this.#count = 0
  }

  #newPoint(): Checkpoint {
    const own = this.#threads.map(({ id }) => new Thread(id))
    const wokenBy = new Int32Array(own.length)
    return {
      event: 0,
      threads: [...own],
      own,
      sleepers: [],
      mark: memory.mark(),
      lastThread: -1,
      wokenBy,
      subject: null,
    }
  }

  /** The event of the last state before an event, or at it; -1 where there is none. */
  eventBefore(event: number): number {
    for (let at = this.#count - 1; at >= 0; at--)
      if (this.#points[at]!.event <= event) return this.#points[at]!.event
    return -1
  }

  /** Goes back to the last state before an event, or at it, and forgets those behind; null where there is none. */
  goBack(event: number): Pick<Checkpoint, 'event' | 'lastThread' | 'sleepers' | 'wokenBy'> | null {
    const top = this.#count === 0 ? null : this.#points[this.#count - 1]!
    while (this.#count > 0 && this.#points[this.#count - 1]!.event > event) this.#count--
    if (top === null || this.#count === 0) return null
    const point = this.#points[this.#count - 1]!
    memory.goBack(point.mark)
    try {
      this.#saver.restore(point.subject)
    } catch (error) {
      this.#refuse(error)
      return null
    }
    for (const thread of this.#threads) {
      const kept = point.threads[thread.id]!
      if (kept === top.threads[thread.id] && thread.stands(kept)) continue
      thread.copyFrom(kept)
      thread.hasRun = false
    }
    return point
  }
}
