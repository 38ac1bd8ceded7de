// Threads that may be exchanged for one another: those that are given the same function.
//
// Two such threads that have done the same operations with the same results are in the same state. Where both can go
// on, only the one with the lower number does: what would follow if the other did is the same with the two exchanged.
// This makes another program, in which the next operation of one waits for the same operation of the other; that one
// is explored like any program, so that the waiting is a dependence (see account).
//
// What a thread has done is known by a digest of its operations and of what they found. A plain read ends it, since
// what it found is not seen here; so does whatever depends on more than the cell: notify, and going on because
// nothing else can. That a thread knows who it is, by a counter outside shared memory say, shows when two in the same
// state come to different operations. Or it shows in nothing but in what the invariant finds: where two would be in the
// same state, but any thread has changed something outside shared memory before, from which one may have learned what
// the other has not. In both cases all is explored again without this.

import {
  COMPARE_EXCHANGE,
  LOAD,
  NOTIFY,
  READY,
  type Thread,
  WAIT,
  WOKEN,
  hasOwnChanges,
} from '../backends/stepped/index.ts'

/** Threads that run the same function do something different in the same state. */
export class NotSymmetric extends Error {
  override readonly name = 'NotSymmetric'
}

/** What is known of the events of an execution: see dependence.ts. */
interface Events {
  readonly lastEvent: Int32Array
  readonly previous: Int32Array
}

export class Symmetry {
  /** For each thread, those before it with the same function. */
  readonly #earlier: readonly (readonly number[])[]
  // For each event: what its thread has done up to it, how many operations that is, and whether that is all.
  readonly #digest: Float64Array
  readonly #ordinal: Int32Array
  readonly #isKnown: Uint8Array
  /** For each event, whether anything outside shared memory had been changed when it was chosen. */
  readonly #isTold: Uint8Array

  private constructor(earlier: readonly (readonly number[])[], events: number) {
    this.#earlier = earlier
    this.#digest = new Float64Array(events)
    this.#ordinal = new Int32Array(events)
    this.#isKnown = new Uint8Array(events)
    this.#isTold = new Uint8Array(events)
  }

  /** Null if no two threads have the same function. `events` is how many an execution has at most. */
  static of(functions: readonly unknown[], events: number): Symmetry | null {
    const earlier = functions.map((each, id) =>
      [...functions.keys()].filter((n) => n < id && functions[n] === each),
    )
    return earlier.some((list) => list.length > 0) ? new Symmetry(earlier, events) : null
  }

  /** Of the threads that could go on, those that need be tried. */
  firstOnly(event: number, threads: readonly Thread[], events: Events, enabled: number): number {
    let left = enabled
    this.#isTold[event] = threads.some(hasOwnChanges) ? 1 : 0
    for (const [id, earlier] of this.#earlier.entries()) {
      if ((left & (1 << id)) === 0) continue
      for (const other of earlier) {
        if (
          threads[other]!.state !== READY ||
          !this.#areAlike(events.lastEvent[id]!, events.lastEvent[other]!)
        )
          continue
        this.#mustAgree(threads[id]!, threads[other]!)
        left &= ~(1 << id)
        break
      }
    }
    return left
  }

  /** The threads after these events are in the same state. -1 stands for the beginning. */
  #areAlike(event: number, other: number): boolean {
    const areAlike =
      event < 0 || other < 0
        ? event === other
        : this.#isKnown[event] === 1 &&
          this.#isKnown[other] === 1 &&
          this.#digest[event] === this.#digest[other]
    // Where they were then, they came by what they did after these events.
    if (areAlike && (this.#isTold[event + 1]! | this.#isTold[other + 1]!) !== 0)
      throw new NotSymmetric('a thread has changed what is not in shared memory')
    return areAlike
  }

  #mustAgree(thread: Thread, other: Thread): void {
    const { kind } = thread
    const same =
      kind === other.kind &&
      thread.site === other.site &&
      (kind === WOKEN || (thread.cell === other.cell && thread.cells === other.cells)) &&
      (!hasOperand(kind) || Object.is(thread.operand, other.operand)) &&
      (!hasExpected(kind) || Object.is(thread.expected, other.expected))
    if (!same) throw new NotSymmetric(`threads ${other.id} and ${thread.id} are not alike`)
  }

  /** Notes what a thread is about to do. Returns the events that this one had to wait for. */
  account(event: number, thread: Thread, { lastEvent, previous }: Events, rescued: boolean): number[] {
    const { id, kind } = thread
    const before = lastEvent[id]!
    const ordinal = before < 0 ? 1 : this.#ordinal[before]! + 1
    this.#ordinal[event] = ordinal
    const waitedFor: number[] = []
    for (const other of this.#earlier[id]!) {
      let theirs = lastEvent[other]!
      while (theirs >= 0 && this.#ordinal[theirs]! > ordinal) theirs = previous[theirs]!
      if (theirs < 0 || this.#ordinal[theirs] !== ordinal) continue
      if (this.#areAlike(before, previous[theirs]!)) waitedFor.push(theirs)
    }
    const known = before < 0 || this.#isKnown[before] === 1
    this.#isKnown[event] = known && !rescued && !thread.native && kind !== NOTIFY ? 1 : 0
    this.#digest[event] = thread.native ? 0 : digestOf(before < 0 ? 0 : this.#digest[before]!, thread)
    return waitedFor
  }

  /** What a thread has read plainly is not known. */
  plainRead(id: number, { lastEvent }: Events): void {
    const event = lastEvent[id]!
    if (event >= 0) this.#isKnown[event] = 0
  }
}

function hasOperand(kind: number): boolean {
  return (kind > LOAD && kind <= COMPARE_EXCHANGE) || kind === NOTIFY
}

function hasExpected(kind: number): boolean {
  return kind === COMPARE_EXCHANGE || kind === WAIT
}

/** What a thread had done, and what it is about to do and to find. */
function digestOf(before: number, { kind, site, cell, operand, expected, array, index }: Thread): number {
  let digest = mix(mix(mix(before, kind), site), cell)
  digest = mix(digest, hasOperand(kind) ? operand : 0)
  digest = mix(digest, hasExpected(kind) ? expected : 0)
  return mix(digest, array[index]!)
}

/** Takes a word into a digest of 52 bits. */
function mix(digest: number, word: number): number {
  const low = Math.imul((digest | 0) ^ (word | 0), 0x85ebca6b)
  const high = Math.imul(Math.floor(digest / 2 ** 32) ^ (word | 0) ^ (low >>> 13), 0xc2b2ae35)
  return ((high ^ (high >>> 15)) & 0xfffff) * 2 ** 32 + ((low ^ (low >>> 16) ^ high) >>> 0)
}
