/**
 * Recorded faults in a plan: what each means for the pages of the model, and what the replay has to correct first.
 */
import type { CacheOrder } from './cache-order.ts'
import { PAGE_SIZE } from './layout.ts'
import {
  NOTE_MAPPED,
  NOTE_MAPPED_AROUND,
  NOTE_MAPPED_BY_OTHER,
  NOTE_NONE,
  OP_TOUCH,
  OP_TOUCH_LOCKED,
  OP_TOUCH_PRESENT,
  OP_TOUCH_REFUSED,
  OP_TOUCH_REMOVE,
} from './operations.ts'
import type { CorrectionKind } from './plan-types.ts'
import type { PlannedFiles } from './planned-files.ts'
import type { Place, PlannedOperations } from './planned-operations.ts'
import { FAULT_PROTECTION, FAULT_WRITE } from './recorded-space.ts'
import {
  FAULT_ERROR_MASK,
  FAULT_ERROR_SHIFT,
  FAULT_LINE,
  FAULT_LOCKED,
  FAULT_MORE,
  FAULT_OUTSIDE,
  FAULT_RACING,
  FAULT_REFUSED,
  FAULT_UNHANDLED,
  FAULT_WINDOW_SHIFT,
  fromWords,
  RECORD_FILE_FAULT,
  RECORD_STACK_FAULT,
} from './records.ts'
import {
  PAGE_ABSENT,
  PAGE_AROUND,
  PAGE_CACHED,
  PAGE_FAULTED,
  PAGE_FORKED,
  PAGE_OWNED,
  PAGE_WRITABLE,
} from './space-order.ts'

export class PlannedFaults {
  count = 0
  readonly corrections: Partial<Record<CorrectionKind, number>> = {}
  /** Corrections that turned back an earlier one of the same page, again and again. */
  contradictions = 0
  readonly #place: Place
  readonly #cache: CacheOrder
  readonly #files: PlannedFiles
  readonly #operations: PlannedOperations

  constructor(place: Place, cache: CacheOrder, files: PlannedFiles, operations: PlannedOperations) {
    this.#place = place
    this.#cache = cache
    this.#files = files
    this.#operations = operations
  }

  /**
   * A recorded fault, at `at` in `words`.
   * @returns bytes by which a stack grows with it
   */
  fault(words: Int32Array, at: number, kind: number): number {
    const word = words[at]!
    const refused = (word & FAULT_REFUSED) !== 0
    if ((word & FAULT_UNHANDLED) !== 0 || ((word & FAULT_OUTSIDE) !== 0 && !refused)) return 0
    const { seat, space, relocation } = this.#place
    const errorCode = (word >>> FAULT_ERROR_SHIFT) & FAULT_ERROR_MASK
    const address = relocation.address(fromWords(words[at + 2]!, words[at + 3]!))
    const page = Math.floor(address / PAGE_SIZE)
    const grown = kind === RECORD_STACK_FAULT ? words[at + FAULT_MORE]! : 0
    space.begin(seat)
    if (kind === RECORD_STACK_FAULT) space.growStack(page, page + grown)
    const before = space.state(page)
    const correction = refused ? null : this.#correction(before, word, page, kind)
    const mapsAround =
      (errorCode & FAULT_PROTECTION) === 0 || (correction !== null && correction !== 'removed')
    const window = mapsAround ? (word >>> FAULT_WINDOW_SHIFT) & 0xff : 0
    const first = page - (window & 15)
    space.fault(page, first, page + grown + (window >> 4))
    let flags = refused ? OP_TOUCH_REFUSED : this.#correct(correction, before, page)
    if (kind !== RECORD_FILE_FAULT) this.#countContradiction(correction, page)
    if ((word & FAULT_LOCKED) !== 0) flags |= OP_TOUCH_LOCKED
    const note = this.#note(space.state(page), errorCode, page)
    if (kind === RECORD_FILE_FAULT && !refused) {
      this.#fileFault(words[at + FAULT_MORE]!, words[at + FAULT_MORE + 1]! - page, page, before, errorCode)
      if (window !== 0)
        this.#mapAround(
          words[at + FAULT_MORE]!,
          words[at + FAULT_MORE + 1]! - page,
          first,
          page + (window >> 4),
        )
    }
    if (!refused) this.#bringIn(page, errorCode)
    this.count++
    const access = (address % PAGE_SIZE) | (errorCode << 12) | flags
    this.#operations.write(OP_TOUCH, [page, access, words[at + FAULT_LINE]!], note)
    return grown * PAGE_SIZE
  }

  /** In which way a recorded fault contradicts what is known of its page, which is wrong then; null if it does not. */
  #correction(state: number, word: number, page: number, kind: number): CorrectionKind | null {
    const errorCode = (word >>> FAULT_ERROR_SHIFT) & FAULT_ERROR_MASK
    if ((errorCode & FAULT_PROTECTION) === 0) {
      this.#place.space.countMissing(page)
      if (state === PAGE_ABSENT) return null
      // Two threads at once may both have found it missing; not the one that brought it in.
      const isRace = (word & FAULT_RACING) !== 0 && this.#place.space.ownerOf(page) !== this.#place.seat
      if (isRace) return null
      if ((state & PAGE_AROUND) === 0) return 'removed'
      // Else it was not in the page cache then, and is not in that of the replay either.
      return (state & PAGE_CACHED) !== 0 ? 'notMappedAround' : null
    }
    if ((errorCode & FAULT_WRITE) === 0) return null
    if (state === PAGE_ABSENT) {
      if (kind === RECORD_FILE_FAULT) return 'largeFolio'
      return this.#place.space.hasOneMissing(page) ? 'hugePage' : 'presentBefore'
    }
    if ((state & PAGE_WRITABLE) === 0) return null
    return (state & PAGE_FORKED) !== 0 ? 'writeProtectedByFork' : 'writeProtected'
  }

  /**
   * Reclaim removes a page again and again, and merging or a tracker takes the right to write as often; but nothing
   * does both by turns, except to a file, whose pages are written back and then reclaimed.
   */
  #countContradiction(correction: CorrectionKind | null, page: number): void {
    if (correction !== 'removed' && correction !== 'writeProtected') return
    if (this.#place.space.turns(page, correction === 'removed')) this.contradictions++
  }

  /** Corrects what is known of a page. Returns what the replay has to do for it. */
  #correct(correction: CorrectionKind | null, state: number, page: number): number {
    if (correction === null) return 0
    this.corrections[correction] = (this.corrections[correction] ?? 0) + 1
    if (state !== PAGE_ABSENT) this.#place.space.setState(page, PAGE_ABSENT, this.#place.seat)
    if (correction === 'removed' || correction === 'notMappedAround') return OP_TOUCH_REMOVE
    this.#place.space.setState(page, PAGE_FAULTED, this.#place.seat)
    return OP_TOUCH_PRESENT | (state === PAGE_ABSENT ? 0 : OP_TOUCH_REMOVE)
  }

  /** A fault on a page of a file. @param shift from a page of the address space to that of the file */
  #fileFault(file: number, shift: number, page: number, state: number, errorCode: number): void {
    this.#cache.fault(file, page + shift)
    const isMissing = (errorCode & FAULT_PROTECTION) === 0
    if (isMissing && (state & (PAGE_AROUND | PAGE_CACHED)) === PAGE_AROUND)
      this.#files.setMissing(file, page + shift)
    this.#files.setCached(file, page + shift)
  }

  /** A fault maps the pages around its own, as far as they are in memory. */
  #mapAround(file: number, shift: number, first: number, last: number): void {
    const space = this.#place.space
    for (let page = first; page <= last; page++) {
      this.#files.setCached(file, page + shift)
      const isAsked = this.#cache.isAsked(file, page + shift)
      this.#cache.near(file, page + shift)
      if (space.state(page) === PAGE_ABSENT)
        space.setState(page, PAGE_AROUND | (isAsked ? PAGE_CACHED : 0), this.#place.seat)
    }
  }

  /** After a fault the page is there. */
  #bringIn(page: number, errorCode: number): void {
    const space = this.#place.space
    const state = space.state(page)
    const write = (errorCode & FAULT_WRITE) !== 0
    // A page of one's own: what is written in a private mapping, and (as we cannot tell) in a shared one without a
    // file.
    const owned = write || (state & PAGE_OWNED) !== 0 ? PAGE_OWNED : 0
    const owner = (state & PAGE_FAULTED) === 0 ? this.#place.seat : space.ownerOf(page)
    if (write) space.unshare(page)
    space.setState(page, PAGE_FAULTED | owned | (write ? PAGE_WRITABLE : 0), owner)
  }

  /** Why a fault on a page in this state may not occur in the replay. */
  #note(state: number, errorCode: number, page: number): number {
    if ((errorCode & FAULT_PROTECTION) !== 0 || state === PAGE_ABSENT) return NOTE_NONE
    if ((state & PAGE_AROUND) !== 0) return NOTE_MAPPED_AROUND
    return this.#place.space.ownerOf(page) === this.#place.seat ? NOTE_MAPPED : NOTE_MAPPED_BY_OTHER
  }
}
