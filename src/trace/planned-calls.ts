/**
 * Recorded memory calls in a plan: what each means for the pages of the model, and what the replay has to do.
 */
import { PAGE_SIZE } from './layout.ts'
import { OP_ADVISE, OP_BRK, OP_MAP, OP_PROTECT, OP_REMAP, OP_UNMAP } from './operations.ts'
import type { PlannedFiles } from './planned-files.ts'
import type { Place, PlannedOperations } from './planned-operations.ts'
import {
  CALL_ADDRESS,
  CALL_ARGUMENT,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  FLAGS_SHIFT,
  fromWords,
  MAP_POPULATE,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_ADVISE,
  RECORD_BRK,
  RECORD_MAP,
  RECORD_PROTECT,
  RECORD_REMAP,
  RECORD_UNMAP,
} from './records.ts'

// Linux's advice that removes pages, and all the advice that faults do not depend on.
const MADV_NORMAL = 0
const MADV_RANDOM = 1
const MADV_SEQUENTIAL = 2
const MADV_DONTNEED = 4
const MADV_REMOVE = 9
const MADV_POPULATE_READ = 22
const MADV_POPULATE_WRITE = 23
const MADV_DONTNEED_LOCKED = 24

/** Advice about other things than pages: fork, core dumps, merging, readahead. */
const ADVICE_WITHOUT_PAGES = new Set([
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  10,
  11,
  12,
  13,
  16,
  17,
  18,
  19,
])
const ADVICE_REMOVING = new Set([MADV_DONTNEED, MADV_REMOVE, MADV_DONTNEED_LOCKED])

const SUPPORTED_ADVICE: ReadonlySet<number> = new Set([
  0, 1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
])

export class PlannedCalls {
  /** Advice that this version does not have: left out. */
  readonly unsupported: Record<string, number> = {}
  readonly #place: Place
  readonly #files: PlannedFiles
  readonly #operations: PlannedOperations

  constructor(place: Place, files: PlannedFiles, operations: PlannedOperations) {
    this.#place = place
    this.#files = files
    this.#operations = operations
  }

  /** A recorded call that succeeded, at `at` in `words`. */
  call(words: Int32Array, at: number, kind: number): void {
    const { seat, space, relocation } = this.#place
    const start = fromWords(words[at + CALL_ADDRESS]!, words[at + CALL_ADDRESS + 1]!)
    const length = fromWords(words[at + CALL_LENGTH]!, words[at + CALL_LENGTH + 1]!)
    const argument = words[at + CALL_ARGUMENT]!
    const secondAddress = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
    if (kind === RECORD_BRK) {
      this.#brk(words, at, start)
      return
    }
    const first = relocation.address(start) / PAGE_SIZE
    const behind = relocation.end(start + length) / PAGE_SIZE
    // An unmap of what was never mapped goes nowhere.
    if (behind <= first) return
    let op = OP_MAP
    let payload: readonly number[]
    switch (kind) {
      case RECORD_MAP: {
        const flags = words[at]! >>> FLAGS_SHIFT
        const file = words[at + CALL_FILE]!
        const filePage = Math.floor(secondAddress / PAGE_SIZE)
        space.begin(seat)
        space.call(first, behind, true, true)
        if ((flags & MAP_POPULATE) !== 0 && argument !== 0) {
          this.#files.populate(file, filePage, behind - first)
          if ((flags & MAP_SHARED) === 0) space.populate(first, behind, seat, (argument & 2) !== 0)
        }
        payload = [first, behind - first, argument | (flags << 8), file, filePage]
        break
      }
      case RECORD_UNMAP:
        op = OP_UNMAP
        space.begin(seat)
        space.call(first, behind, true, true)
        payload = [first, behind - first]
        break
      case RECORD_PROTECT:
        op = OP_PROTECT
        space.begin(seat)
        space.call(first, behind, true, false)
        space.protect(first, behind)
        payload = [first, behind - first, argument]
        break
      case RECORD_ADVISE:
        if (!SUPPORTED_ADVICE.has(argument)) {
          const name = `madvise ${argument}`
          this.unsupported[name] = (this.unsupported[name] ?? 0) + 1
          return
        }
        op = OP_ADVISE
        space.begin(seat)
        space.call(first, behind, !ADVICE_WITHOUT_PAGES.has(argument), ADVICE_REMOVING.has(argument))
        if (argument === MADV_POPULATE_WRITE || argument === MADV_POPULATE_READ) {
          this.#files.populate(words[at + CALL_FILE]!, Math.floor(secondAddress / PAGE_SIZE), behind - first)
          space.populate(first, behind, seat, argument === MADV_POPULATE_WRITE)
        }
        payload = [first, behind - first, argument]
        break
      case RECORD_REMAP: {
        op = OP_REMAP
        const newLength = fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!)
        const newFirst = relocation.address(secondAddress) / PAGE_SIZE
        const newBehind = relocation.end(secondAddress + newLength) / PAGE_SIZE
        space.begin(seat)
        if (newFirst === first) {
          space.call(Math.min(behind, newBehind), Math.max(behind, newBehind), true, true)
          space.call(first, Math.min(behind, newBehind), true, false)
        } else {
          space.call(newFirst, newBehind, true, true)
          space.call(first, behind, true, false)
          space.movePages(first, Math.min(behind, first + newBehind - newFirst), newFirst)
          space.call(first, behind, true, true)
        }
        payload = [first, behind - first, newBehind - newFirst, argument, newFirst]
        break
      }
      default:
        throw new Error(`record of unknown kind ${kind}`)
    }
    this.#operations.call(op, payload)
  }

  #brk(words: Int32Array, at: number, wanted: number): void {
    const { seat, space } = this.#place
    const result = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
    const previous = fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!)
    const from = this.#place.breakAddress(previous)
    const to = this.#place.breakAddress(result)
    const first = Math.ceil(Math.min(from, to) / PAGE_SIZE)
    const behind = Math.ceil(Math.max(from, to) / PAGE_SIZE)
    if (((words[at]! >>> FLAGS_SHIFT) & MAP_REPLACES) !== 0) {
      space.begin(seat)
      space.call(first, behind, true, true)
      this.#operations.call(OP_UNMAP, [first, behind - first])
    }
    space.begin(seat)
    space.moveBreak()
    space.call(first, behind, true, true)
    // A heap grows only if the page behind it is free too.
    if (to > from) space.call(behind, behind + 1, false, false)
    const target = wanted === 0 ? 0 : to
    this.#operations.call(OP_BRK, [
      Math.floor(target / PAGE_SIZE),
      target % PAGE_SIZE,
      Math.floor(to / PAGE_SIZE),
      to % PAGE_SIZE,
    ])
  }
}
