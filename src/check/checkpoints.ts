// Checkpoints of an execution, one every few events. Executions that share its beginning return to one of them
// instead of running the beginning again.
//
// A checkpoint has the frames and states of the threads, a position in the log of memory, and the state of the
// subject. Only subjects that can save all of that have a `saver`; the others run again from the beginning. The
// checkpoints are a stack, since the explorer returns to the last event at which something is left to try.

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
  /** The state of each thread: saved here, or that of an earlier checkpoint if it has not run since. */
  readonly threads: Thread[]
  /** Space for the states that are saved here. */
  readonly own: readonly Thread[]
  sleepers: Sleepers
  mark: MemoryMark
  lastThread: number
  readonly wokenBy: Int32Array
  subject: unknown
}

/** The cost of a checkpoint, in events. */
const EVENTS_PER_SAVE = 12
const STRIDE_MIN = 8
/**
 * Executions return to one in four to ten of the checkpoints on a new path, but to half of those where an execution
 * differs from the last, since what is below is explored next. The former are therefore this many times as far apart.
 */
const STRIDES_IF_NEW = 4
/** Maximum number of checkpoints: one takes about 12 KiB for each thread. */
const CHECKPOINTS_MAX = 512

export class Checkpoints {
  readonly #threads: readonly Thread[]
  readonly #saver: Saver
  readonly #points: Checkpoint[] = []
  #count = 0
  /** Why checkpoints are no longer saved, if one could not be. */
  refusal: CannotSave | null = null
  /** Events from one checkpoint to the next. */
  #stride = STRIDE_MIN

  constructor(threads: readonly Thread[], saver: Saver) {
    this.#threads = threads
    this.#saver = saver
  }

  /** The next execution starts from the beginning. */
  clear(): void {
    this.#count = 0
  }

  /**
   * `fresh` is the mean number of events that an execution does not share with the one before. The distance of
   * checkpoints minimises the cost of saving them plus that of running again from the nearest one.
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
