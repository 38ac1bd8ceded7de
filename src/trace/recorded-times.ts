/**
 * How long threads were at something else between what is recorded of them, and how long they took for that, for a
 * simulation, which needs it: one entry for each record, in the same order.
 *
 * Principle: what the trace has no event for is not guessed here. An entry has the time since the end of what the
 * thread did before, how much of that it is known not to have been on a processor, and whether that end is known; and
 * how long the thread itself took for what is recorded, and how long of that it held the mmap lock, without the time
 * in which it waited for the lock or had no processor.
 */
import { type Durations, NO_DURATIONS, OperationClock } from './operation-clock.ts'
import type { OpStore, WordStream, WordStreamHandle } from './op-store.ts'
import { readChunks } from './op-store.ts'
import { fromWords, highWord } from './records.ts'

/**
 * Words of an entry: time between (two), time away from a processor (two), flags, time in which another thread had its
 * CPU (two); then what the operation itself took, and held the mmap lock for writing and for reading.
 */
const TIME_WORDS = 10
const DURATION_WORDS = 7
/** Durations are kept in one word each. */
const LONGEST_NS = 2 ** 31 - 1
/** Bits of the flags from which on the number of faults whose end is not in the trace is kept. */
const UNENDED_SHIFT = 1
/** The thread begins with it: the time away counts from what created it. */
const BORN = 1

/** What is kept of one thread until its next record, in nanoseconds. */
class Between {
  ns = 0
  awayNs = 0
  displacedNs = 0
  unended = 0
  isBorn = false
  durations: Durations = NO_DURATIONS

  add(words: Int32Array, at: number): void {
    // What came before was no operation of its own.
    if (this.durations.ownNs > 0) this.ns += this.durations.ownNs
    this.ns += fromWords(words[at]!, words[at + 1]!)
    this.awayNs += fromWords(words[at + 2]!, words[at + 3]!)
    const flags = words[at + 4]!
    this.unended += flags >> UNENDED_SHIFT
    this.isBorn ||= (flags & BORN) !== 0
    this.displacedNs += fromWords(words[at + 5]!, words[at + 6]!)
    const [ownNs, writeNs, readNs] = words.subarray(at + DURATION_WORDS, at + TIME_WORDS)
    this.durations = { ownNs: ownNs!, writeNs: writeNs!, readNs: readNs!, waitedNs: 0 }
  }

  write(stream: WordStream): void {
    const at = stream.reserve(TIME_WORDS)
    const { words } = stream
    words[at] = this.ns | 0
    words[at + 1] = highWord(this.ns)
    words[at + 2] = this.awayNs | 0
    words[at + 3] = highWord(this.awayNs)
    words[at + 4] = (this.unended << UNENDED_SHIFT) | (this.isBorn ? BORN : 0)
    words[at + 5] = this.displacedNs | 0
    words[at + 6] = highWord(this.displacedNs)
    const { ownNs, writeNs, readNs } = this.durations
    words[at + DURATION_WORDS] = ownNs
    words[at + DURATION_WORDS + 1] = writeNs
    words[at + DURATION_WORDS + 2] = readNs
    this.ns = 0
    this.awayNs = 0
    this.displacedNs = 0
    this.unended = 0
    this.isBorn = false
    this.durations = NO_DURATIONS
  }
}

/** Where a thread stands in time. */
export interface TimedThread {
  /** When what it did last ended, and whether that is in the trace. */
  endNs: number
  endIsKnown: boolean
  /** How long it slept since, and how long it waited for a processor. */
  awayNs: number
  queuedNs: number
  /** Since when it has had none, or -1, and whether that was taken from it. */
  outNs: number
  preempted: boolean
  /** What it is at, see operation-clock.ts. */
  readonly operation: OperationClock
  /** Where switches are not recorded: the CPU of its last event, and how long another thread was seen on that since. */
  cpu: number
  displacedNs: number
  /** Since when another is seen on that CPU, or -1. */
  displacedFrom: number
}

/** A CPU, as the events show it: who was seen on it last, and when. */
interface SeenCpu {
  readonly thread: TimedThread
  readonly lastNs: number
}

interface TimedParent extends TimedThread {
  readonly sinks: readonly { readonly seat: number }[]
}

const NOTHING = new Between()

/** Entries as they are written, by seat. */
export class TimesBySeat {
  readonly #stream: WordStream | null
  readonly #between: Between[] = []
  /** Of the last entry of each seat: where its durations are. */
  readonly #last: number[] = []

  /** @param store where they are written to; null where nobody reads them */
  constructor(store: OpStore | null) {
    this.#stream = store?.createStream() ?? null
  }

  of(seat: number): Between {
    return (this.#between[seat] ??= new Between())
  }

  /** The next entry: what is kept for the seat; nothing for what no recorded thread did. */
  write(seat: number): void {
    if (this.#stream === null) return
    ;(seat < 0 ? NOTHING : this.of(seat)).write(this.#stream)
    if (seat >= 0) this.#last[seat] = this.#stream.length - TIME_WORDS + DURATION_WORDS
  }

  /** What a seat does from now on has an entry of its own. */
  protected forget(seat: number): void {
    this.#last[seat] = -1
  }

  /** What the last entry of a seat was for has ended. */
  protected setDurations(seat: number, { ownNs, writeNs, readNs }: Durations): void {
    const position = this.#last[seat] ?? -1
    if (this.#stream === null || position < 0) return
    this.#stream.set(position, Math.min(LONGEST_NS, Math.round(ownNs)))
    this.#stream.set(position + 1, Math.min(LONGEST_NS, Math.round(writeNs)))
    this.#stream.set(position + 2, Math.min(LONGEST_NS, Math.round(readNs)))
  }

  handle(): WordStreamHandle | null {
    return this.#stream?.handle() ?? null
  }
}

/** What an importer notes of time. */
export class RecordedTimes extends TimesBySeat {
  /** When the first thread that has a time appears, or -1. */
  beginNs = -1
  readonly #cpus: (SeenCpu | undefined)[] = []
  /** Whether the trace tells when threads are switched. */
  hasSwitches = false

  /** A thread appears, created by `parent` or by something before the recording. */
  born(seat: number, thread: TimedThread, now: number, parent: TimedParent | null): void {
    this.#noteBegin(now)
    thread.endNs = now
    // Until it is switched in for the first time, others have the processors.
    thread.outNs = parent === null ? -1 : now
    thread.preempted = true
    const between = this.of(seat)
    between.isBorn = true
    between.awayNs = Math.max(0, now - Math.max(0, parent === null ? this.beginNs : this.#from(parent)))
    const [sink] = parent?.sinks ?? []
    if (sink === undefined) return
    // Who has done nothing yet was born after something else.
    const ofParent = this.of(sink.seat)
    if (ofParent.isBorn) between.awayNs += ofParent.awayNs + ofParent.ns
  }

  /** A thread begins something at `now`, which is recorded for these seats. */
  begin(seats: readonly { readonly seat: number }[], thread: TimedThread, now: number): void {
    this.#noteBegin(now)
    const ns = Math.max(0, now - this.#from(thread))
    for (const { seat } of seats) {
      const between = this.of(seat)
      between.ns += Math.max(0, ns - thread.awayNs - thread.queuedNs - thread.displacedNs)
      between.awayNs += Math.min(ns, thread.awayNs)
      between.displacedNs += Math.min(ns, thread.displacedNs)
      if (!thread.endIsKnown) between.unended++
      this.forget(seat)
    }
    this.#ended(thread, now)
    thread.operation.begin(now)
  }

  /** What a thread did has ended, and is recorded for these seats. Returns what it took; null if that is not known. */
  end(seats: readonly { readonly seat: number }[], thread: TimedThread, now: number): Durations | null {
    const durations = thread.operation.end(now)
    if (durations !== null) for (const { seat } of seats) this.setDurations(seat, durations)
    this.#ended(thread, now)
    return durations
  }

  /**
   * What a thread began at `beganNs` had ended before the end that {@link end} was told, and nobody knows when.
   * @param took what `end` returned
   */
  goesOn(
    seats: readonly { readonly seat: number }[],
    thread: TimedThread,
    beganNs: number,
    { ownNs }: Durations,
  ): void {
    for (const { seat } of seats) this.setDurations(seat, NO_DURATIONS)
    thread.awayNs += Math.max(0, thread.endNs - beganNs - Math.max(0, ownNs))
    thread.endNs = beganNs
    thread.endIsKnown = false
  }

  /** How long a thread itself has been at something else since what it did last ended, or began if no end is known. */
  passed({ endNs, awayNs, queuedNs }: TimedThread, now: number): number {
    return Math.max(0, now - endNs - awayNs - queuedNs)
  }

  #ended(thread: TimedThread, now: number): void {
    thread.endNs = now
    thread.endIsKnown = true
    thread.awayNs = 0
    thread.queuedNs = 0
    thread.displacedNs = 0
    if (thread.outNs >= 0) {
      thread.operation.isAway(now - thread.outNs)
      thread.outNs = now
    }
  }

  /**
   * A thread has an event on a CPU. Where switches are not recorded, that shows when others had none: a thread was
   * without a CPU from when another came to the one that it had, until it came to the one that it is seen on next. When
   * one came was between the last event of the one before and its own first: the middle is taken, so that no time of a
   * CPU is counted for two.
   */
  seen(thread: TimedThread, cpu: number, now: number): void {
    if (this.hasSwitches || cpu < 0) return
    const here = this.#cpus[cpu]
    if (here !== undefined && here.thread !== thread) {
      const other = here.thread
      const cameNs = (here.lastNs + now) / 2
      if (other.cpu === cpu && other.displacedFrom < 0) other.displacedFrom = cameNs
      if (thread.displacedFrom >= 0) {
        const ns = Math.max(0, cameNs - thread.displacedFrom)
        thread.displacedNs += ns
        thread.operation.isAway(ns)
      }
    }
    thread.displacedFrom = -1
    thread.cpu = cpu
    this.#cpus[cpu] = { thread, lastNs: now }
  }

  /** A thread waited for something that is no event of its own. */
  waited(thread: TimedThread, ns: number): void {
    // Else it was switched out for it.
    if (!this.hasSwitches) thread.awayNs += ns
  }

  switchedOut(thread: TimedThread, now: number, preempted: boolean): void {
    this.hasSwitches = true
    thread.outNs = now
    thread.preempted = preempted
  }

  switchedIn(thread: TimedThread, now: number): void {
    this.hasSwitches = true
    if (thread.outNs < 0) return
    const ns = Math.max(0, now - thread.outNs)
    if (thread.preempted) thread.queuedNs += ns
    else thread.awayNs += ns
    thread.operation.isAway(ns)
    thread.outNs = -1
  }

  /** What perf makes up has no time, and comes first. */
  #noteBegin(now: number): void {
    if (this.beginNs < 0 && now > 0) this.beginNs = now
  }

  #from({ endNs }: TimedThread): number {
    return Math.max(endNs, this.beginNs)
  }
}

/** Words of an entry of a plan: as those of a recording, and the operation after which the thread was created. */
const PLANNED_WORDS = TIME_WORDS + 2
const NOBODY = -1

/** What the records of a plan tell of time, handed on to the operations that are made of them. */
export class PlannedTimes {
  readonly #chunks: Generator<{ words: Int32Array; length: number }>
  readonly #between: TimesBySeat
  readonly #streams: readonly WordStream[]
  /** By seat: the worker and the number of the operation after which its thread was created. */
  readonly #creation: (readonly [worker: number, operation: number] | undefined)[] = []
  /** By seat: how long after that its thread was woken by another, in nanoseconds. */
  readonly #wokenAfter: (number | undefined)[] = []
  #words = new Int32Array(0)
  #at = 0
  #length = 0

  constructor(recorded: WordStreamHandle, workers: number, store: OpStore) {
    this.#chunks = readChunks(recorded)
    this.#between = new TimesBySeat(store)
    this.#streams = Array.from({ length: workers }, () => store.createStream())
  }

  /** The next record is one of this seat's. */
  record(seat: number): void {
    if (this.#at === this.#length) {
      const { words, length } = this.#chunks.next().value as {
        words: Int32Array<ArrayBuffer>
        length: number
      }
      this.#words = words
      this.#length = length
      this.#at = 0
    }
    this.#between.of(seat).add(this.#words, this.#at)
    this.#at += TIME_WORDS
  }

  /**
   * A thread is created by another, whose worker has begun so many operations.
   * @param isIdle the other has done nothing yet, so that what created it is what counts
   */
  created(seat: number, parent: number, isIdle: boolean, worker: number, operations: number): void {
    this.#creation[seat] = isIdle || operations === 0 ? this.#creation[parent] : [worker, operations - 1]
  }

  /** A thread is woken by another, whose worker has begun so many operations: it sleeps until that one comes so far. */
  woken(seat: number, waker: number, worker: number, operations: number): void {
    const { ns, awayNs, isBorn } = this.#between.of(waker)
    const after = this.#wokenAfter[waker]
    this.#wokenAfter[seat] = ns + (after ?? awayNs)
    const isFirst = after !== undefined || isBorn || operations === 0
    this.#creation[seat] = isFirst ? this.#creation[waker] : [worker, operations - 1]
  }

  /** An operation of a worker; `seat` is -1 where no recorded thread did it. */
  operation(worker: number, seat: number): void {
    const stream = this.#streams[worker]!
    const between = seat < 0 ? NOTHING : this.#between.of(seat)
    const after = this.#wokenAfter[seat]
    if (after !== undefined) {
      between.isBorn = true
      between.awayNs = after
      this.#wokenAfter[seat] = undefined
    }
    between.write(stream)
    const at = stream.reserve(PLANNED_WORDS - TIME_WORDS)
    const [creator, operation] = (seat < 0 ? undefined : this.#creation[seat]) ?? [NOBODY, 0]
    stream.words[at] = creator
    stream.words[at + 1] = operation
  }

  handles(): WordStreamHandle[] {
    return this.#streams.map((stream) => stream.handle())
  }
}

/** What happens before an operation, and how long it took when it was recorded, in nanoseconds. */
export interface OperationTimes {
  readonly betweenNs: Float64Array
  readonly awayNs: Float64Array
  /** Neither: another thread had its CPU, and why that was is not recorded. */
  readonly displacedNs: Float64Array
  /** See {@link Durations}. */
  readonly ownNs: Float64Array
  readonly writeNs: Float64Array
  readonly readNs: Float64Array
  /** Faults before it whose end is not in the trace, so that they are part of `betweenNs`. */
  readonly unended: Int32Array
  /** The thread begins with it: `awayNs` counts from when another operation was done. */
  readonly isBorn: Uint8Array
  /** Whose, and which: -1 for the beginning. */
  readonly bornOf: Int32Array
  readonly bornAfter: Int32Array
}

/** The entries of one worker. */
export function readTimes(handle: WordStreamHandle, operations: number): OperationTimes {
  const betweenNs = new Float64Array(operations)
  const awayNs = new Float64Array(operations)
  const displacedNs = new Float64Array(operations)
  const ownNs = new Float64Array(operations)
  const writeNs = new Float64Array(operations)
  const readNs = new Float64Array(operations)
  const unended = new Int32Array(operations)
  const isBorn = new Uint8Array(operations)
  const bornOf = new Int32Array(operations)
  const bornAfter = new Int32Array(operations)
  let number = 0
  for (const { words, length } of readChunks(handle)) {
    for (let at = 0; at < length; at += PLANNED_WORDS, number++) {
      const between = new Between()
      between.add(words, at)
      betweenNs[number] = between.ns
      awayNs[number] = between.awayNs
      displacedNs[number] = between.displacedNs
      ownNs[number] = between.durations.ownNs
      writeNs[number] = between.durations.writeNs
      readNs[number] = between.durations.readNs
      unended[number] = between.unended
      isBorn[number] = between.isBorn ? 1 : 0
      bornOf[number] = words[at + TIME_WORDS]!
      bornAfter[number] = words[at + TIME_WORDS + 1]!
    }
  }
  return { betweenNs, awayNs, displacedNs, ownNs, writeNs, readNs, unended, isBorn, bornOf, bornAfter }
}
