/**
 * From recorded address spaces to what each worker of a replay has to do: relocated operations and waits.
 *
 * Principles: one pass over the records in recorded order, with a small model of the pages (there or not, and why).
 * The model is not the replay: it tells what the page cache must have held when the program was recorded, how much
 * memory a replay needs, and, for a fault that does not occur in the replay, which of the known reasons applies.
 */
import { CacheOrder } from './cache-order.ts'
import { TraceError } from './errors.ts'
import type { RecordedImage } from './import.ts'
import { dealThreads } from './lanes.ts'
import { PAGE_SIZE, type Mapping } from './layout.ts'
import type { OpStore, WordStream } from './op-store.ts'
import { readChunks } from './op-store.ts'
import {
  NOTE_MAPPED,
  NOTE_MAPPED_AROUND,
  NOTE_MAPPED_BY_OTHER,
  NOTE_NONE,
  OP_ADVISE,
  OP_BRK,
  OP_DESTROY,
  OP_EXEC,
  OP_FORK,
  OP_GUEST,
  OP_LEAVE,
  OP_MAP,
  OP_NOTE_SHIFT,
  OP_PROTECT,
  OP_REMAP,
  OP_SLEEP,
  OP_TOUCH,
  OP_TOUCH_LOCKED,
  OP_TOUCH_PRESENT,
  OP_TOUCH_REFUSED,
  OP_TOUCH_REMOVE,
  OP_UNMAP,
  OP_WAITS_SHIFT,
  PAYLOAD_WORDS,
} from './operations.ts'
import { OrderAnalysis } from './order.ts'
import type { CorrectionKind, ImagePlan, PlannedMapping, PlanSource, ReplayPlan } from './plan-types.ts'
import {
  CALL_ADDRESS,
  CALL_ARGUMENT,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
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
  FLAGS_SHIFT,
  fromWords,
  MAP_POPULATE,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_ADVISE,
  RECORD_BRK,
  RECORD_CREATE,
  RECORD_DESTROY,
  RECORD_EXEC,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_FORK,
  RECORD_JOIN,
  RECORD_MAP,
  RECORD_PROTECT,
  RECORD_REMAP,
  RECORD_SLEEP,
  RECORD_STACK_FAULT,
  RECORD_UNMAP,
  RECORD_WAKE,
  RECORD_WORDS,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_SHIFT,
} from './records.ts'
import { FAULT_PROTECTION, FAULT_WRITE } from './recorded-space.ts'
import { PlannedTimes } from './recorded-times.ts'
import { PlannedFiles } from './planned-files.ts'
import { relocate } from './relocate.ts'
import { RelocationError, type Relocation } from './relocation.ts'
import {
  MemoryUse,
  PAGE_ABSENT,
  PAGE_AROUND,
  PAGE_CACHED,
  PAGE_FAULTED,
  PAGE_FORKED,
  PAGE_OWNED,
  PAGE_WRITABLE,
  SpaceOrder,
} from './space-order.ts'

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

/**
 * Plans a replay.
 * @param file the trace, for messages
 * @param workers number of workers
 * @param store where the streams go
 * @throws TraceError if the addresses cannot be had
 */
export function planReplay(file: string, source: PlanSource, workers: number, store: OpStore): ReplayPlan {
  return new Planner(file, source, workers, store).plan()
}

class Planner {
  readonly #source: PlanSource
  readonly #relocations: readonly Relocation[]
  readonly #order: OrderAnalysis
  readonly #memory = new MemoryUse()
  readonly #cache: CacheOrder
  readonly #spaces: (SpaceOrder | undefined)[]
  readonly #streams: WordStream[]
  readonly #times: PlannedTimes | null
  readonly #operations: number[]
  readonly #stackGrowth: number[]
  #begun: readonly ImagePlan[] = []
  readonly #files = new PlannedFiles()
  readonly #counts = { faults: 0, calls: 0, forks: 0, execs: 0, exits: 0, refusedCalls: 0, openCalls: 0 }
  readonly #unsupported: Record<string, number> = {}
  readonly #corrections: Partial<Record<CorrectionKind, number>> = {}
  #contradictions = 0
  // The record under way: its seat, address space, and where that one's addresses go.
  #seat = 0
  #image = 0
  #space!: SpaceOrder
  #relocation!: Relocation

  constructor(file: string, source: PlanSource, workers: number, store: OpStore) {
    this.#source = source
    try {
      this.#relocations = relocate(source)
    } catch (error) {
      if (!(error instanceof RelocationError)) throw error
      throw new TraceError(
        'limit',
        file,
        undefined,
        error.message,
        'This program uses more addresses than can be replayed; choose another with --process.',
        error,
      )
    }
    this.#order = new OrderAnalysis(dealThreads(source.seats, workers), workers)
    this.#cache = new CacheOrder(this.#order, source.records)
    this.#spaces = source.images.map(() => undefined)
    this.#stackGrowth = source.images.map(() => 0)
    this.#streams = Array.from({ length: workers }, () => store.createStream())
    this.#operations = Array.from({ length: workers }, () => 0)
    const { times } = source
    this.#times = times === null || times === undefined ? null : new PlannedTimes(times, workers, store)
  }

  plan(): ReplayPlan {
    const { images, seats, records } = this.#source
    const begun = images.map((image, number) => this.#plannedImage(image, number))
    this.#begun = begun
    this.#image = -1
    for (const { words, length } of readChunks(records)) {
      for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) this.#record(words, at)
    }
    const { files, cachedPages } = this.#files.planned()
    const { operations, waits, longestChain } = this.#order
    const { peakFrames, peakTables, peakSpaces } = this.#memory
    return {
      // A copy has the limit of what it was copied from.
      images: begun.map((image, number) => ({ ...image, stackGrowth: this.#growthOfFamily(number) })),
      seatImages: seats.map(({ image }) => image),
      tids: seats.map(({ tid }) => tid),
      files,
      streams: this.#streams.map((stream) => stream.handle()),
      times: this.#times?.handles() ?? [],
      operations: this.#operations,
      corrections: this.#corrections,
      contradictions: this.#contradictions,
      statistics: { operations, ...this.#counts, unsupportedAdvice: this.#unsupported, waits, longestChain },
      peakFrames,
      cachedPages,
      peakTables,
      peakSpaces,
    }
  }

  #plannedImage(image: RecordedImage, number: number): ImagePlan {
    this.#image = number
    this.#relocation = this.#relocations[number]!
    const { heapStart, heapEnd, origin } = image
    const hasHeap = heapStart >= 0 && !image.heapInherited
    const prelude = image.prelude.map((mapping) => this.#plannedMapping(mapping))
    for (const [file, [first, behind]] of image.fileRanges) this.#files.use(file, first, behind - first)
    const stacks = prelude.filter(
      ({ growsDown, protection, pages }) => growsDown && (protection & 2) !== 0 && pages > 0,
    )
    return {
      isFirst: origin === 'start',
      prelude,
      written: image.hasArguments ? stacks.map(({ page, pages }) => page + pages - 1) : [],
      heapStart: hasHeap ? this.#breakAddress(heapStart) : -1,
      heapEnd: hasHeap ? this.#breakAddress(heapEnd) : -1,
      stackGrowth: 0,
    }
  }

  #growthOfFamily(number: number): number {
    const { images } = this.#source
    const { extents } = images[number]!
    return this.#stackGrowth.reduce(
      (sum, growth, other) => (images[other]!.extents === extents ? sum + growth : sum),
      0,
    )
  }

  #use(image: number): void {
    this.#image = image
    this.#relocation = this.#relocations[image]!
    let space = this.#spaces[image]
    if (space === undefined) {
      space = new SpaceOrder(this.#order, this.#memory)
      for (const page of this.#begun[image]!.written) space.populate(page, page + 1, this.#seat, true)
      this.#spaces[image] = space
    }
    this.#space = space
  }

  /** A program break is the end of a range, but its lowest value is a beginning. */
  #breakAddress(value: number): number {
    return value > this.#source.images[this.#image]!.heapStart
      ? this.#relocation.end(value)
      : this.#relocation.address(value)
  }

  #plannedMapping(mapping: Mapping): PlannedMapping {
    const start = this.#relocation.address(mapping.start)
    const pages = (this.#relocation.end(mapping.end) - start) / PAGE_SIZE
    const filePage = mapping.offset / PAGE_SIZE
    return {
      page: start / PAGE_SIZE,
      pages,
      protection: mapping.protection,
      shared: mapping.shared,
      file: mapping.file,
      filePage,
      growsDown: mapping.growsDown,
    }
  }

  #record(words: Int32Array, at: number): void {
    const kind = words[at]! & 0xff
    const seat = words[at + 1]!
    this.#times?.record(seat)
    const { image } = this.#source.seats[seat]!
    if (image < 0) return
    this.#seat = seat
    if (kind === RECORD_EXEC) {
      this.#exec(image, words[at + 2]!)
      return
    }
    if (image !== this.#image) this.#use(image)
    switch (kind) {
      case RECORD_FAULT:
      case RECORD_STACK_FAULT:
      case RECORD_FILE_FAULT:
        this.#fault(words, at, kind)
        return
      case RECORD_FORK:
        this.#fork(words[at + 2]!)
        return
      case RECORD_CREATE:
        this.#noteCreation(words[at + 2]!, seat)
        this.#seatAfter(words[at + 2]!, seat)
        return
      case RECORD_JOIN:
        this.#seatAfter(seat, words[at + 2]!)
        return
      case RECORD_DESTROY:
        this.#destroy()
        return
      case RECORD_SLEEP:
        this.#space.begin(seat)
        this.#emitMarker(OP_SLEEP)
        return
      case RECORD_WAKE:
        this.#times?.woken(words[at + 2]!, seat, this.#order.workerOf(seat), this.#order.operationsOf(seat))
        return
      default: {
        const status = (words[at]! >> STATUS_SHIFT) & 0xff
        if (status === STATUS_DONE) this.#call(words, at, kind)
        else if (status === STATUS_OPEN) this.#counts.openCalls++
        else this.#counts.refusedCalls++
      }
    }
  }

  /** What a seat does next comes after what another has done. */
  #seatAfter(seat: number, other: number): void {
    const { operations, image } = this.#source.seats[other]!
    this.#order.seatAfter(seat, other, operations === 0 || image < 0)
  }

  #noteCreation(seat: number, parent: number): void {
    const order = this.#order
    const { operations } = this.#source.seats[parent]!
    this.#times?.created(seat, parent, operations === 0, order.workerOf(parent), order.operationsOf(parent))
  }

  #fork(child: number): void {
    const { image } = this.#source.seats[child]!
    if (image < 0) {
      this.#space.markForked()
      return
    }
    this.#space.begin(this.#seat)
    this.#spaces[image] = this.#space.fork()
    this.#emitMarker(OP_FORK, image)
    this.#noteCreation(child, this.#seat)
    this.#order.seatAfter(child, this.#seat, false)
    this.#counts.forks++
  }

  #exec(image: number, before: number): void {
    this.#seatAfter(this.#seat, before)
    this.#use(image)
    if (this.#source.images[image]!.origin === 'start') return
    this.#space.begin(this.#seat)
    this.#emitMarker(OP_EXEC)
    this.#counts.execs++
  }

  /** Workers that have used the address space leave it first. */
  #destroy(): void {
    const order = this.#order
    for (const worker of this.#space.otherUsers(order.workerOf(this.#seat))) {
      order.beginExtra(worker)
      this.#space.leave()
      this.#emitMarker(OP_LEAVE)
    }
    this.#space.begin(this.#seat)
    this.#space.destroy()
    this.#emitMarker(OP_DESTROY)
    this.#counts.exits++
    this.#spaces[this.#image] = undefined
    this.#image = -1
  }

  #fault(words: Int32Array, at: number, kind: number): void {
    const word = words[at]!
    const refused = (word & FAULT_REFUSED) !== 0
    if ((word & FAULT_UNHANDLED) !== 0 || ((word & FAULT_OUTSIDE) !== 0 && !refused)) return
    const space = this.#space
    const errorCode = (word >>> FAULT_ERROR_SHIFT) & FAULT_ERROR_MASK
    const address = this.#relocation.address(fromWords(words[at + 2]!, words[at + 3]!))
    const page = Math.floor(address / PAGE_SIZE)
    const grown = kind === RECORD_STACK_FAULT ? words[at + FAULT_MORE]! : 0
    this.#stackGrowth[this.#image]! += grown * PAGE_SIZE
    space.begin(this.#seat)
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
    this.#counts.faults++
    const end = this.#emit(OP_TOUCH, note)
    const stream = this.#streams[this.#order.worker]!.words
    stream[end] = page
    stream[end + 1] = (address % PAGE_SIZE) | (errorCode << 12) | flags
    stream[end + 2] = words[at + FAULT_LINE]!
    stream[end + 3] = this.#seat
  }

  /** In which way a recorded fault contradicts what is known of its page, which is wrong then; null if it does not. */
  #correction(state: number, word: number, page: number, kind: number): CorrectionKind | null {
    const errorCode = (word >>> FAULT_ERROR_SHIFT) & FAULT_ERROR_MASK
    if ((errorCode & FAULT_PROTECTION) === 0) {
      this.#space.countMissing(page)
      if (state === PAGE_ABSENT) return null
      // Two threads at once may both have found it missing; not the one that brought it in.
      const isRace = (word & FAULT_RACING) !== 0 && this.#space.ownerOf(page) !== this.#seat
      if (isRace) return null
      if ((state & PAGE_AROUND) === 0) return 'removed'
      // Else it was not in the page cache then, and is not in that of the replay either.
      return (state & PAGE_CACHED) !== 0 ? 'notMappedAround' : null
    }
    if ((errorCode & FAULT_WRITE) === 0) return null
    if (state === PAGE_ABSENT) {
      if (kind === RECORD_FILE_FAULT) return 'largeFolio'
      return this.#space.hasOneMissing(page) ? 'hugePage' : 'presentBefore'
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
    if (this.#space.turns(page, correction === 'removed')) this.#contradictions++
  }

  /** Corrects what is known of a page. Returns what the replay has to do for it. */
  #correct(correction: CorrectionKind | null, state: number, page: number): number {
    if (correction === null) return 0
    this.#corrections[correction] = (this.#corrections[correction] ?? 0) + 1
    if (state !== PAGE_ABSENT) this.#space.setState(page, PAGE_ABSENT, this.#seat)
    if (correction === 'removed' || correction === 'notMappedAround') return OP_TOUCH_REMOVE
    this.#space.setState(page, PAGE_FAULTED, this.#seat)
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
    const space = this.#space
    for (let page = first; page <= last; page++) {
      this.#files.setCached(file, page + shift)
      const isAsked = this.#cache.isAsked(file, page + shift)
      this.#cache.near(file, page + shift)
      if (space.state(page) === PAGE_ABSENT)
        space.setState(page, PAGE_AROUND | (isAsked ? PAGE_CACHED : 0), this.#seat)
    }
  }

  /** After a fault the page is there. */
  #bringIn(page: number, errorCode: number): void {
    const space = this.#space
    const state = space.state(page)
    const write = (errorCode & FAULT_WRITE) !== 0
    // A page of one's own: what is written in a private mapping, and (as we cannot tell) in a shared one without a
    // file.
    const owned = write || (state & PAGE_OWNED) !== 0 ? PAGE_OWNED : 0
    const owner = (state & PAGE_FAULTED) === 0 ? this.#seat : space.ownerOf(page)
    if (write) space.unshare(page)
    space.setState(page, PAGE_FAULTED | owned | (write ? PAGE_WRITABLE : 0), owner)
  }

  /** Why a fault on a page in this state may not occur in the replay. */
  #note(state: number, errorCode: number, page: number): number {
    if ((errorCode & FAULT_PROTECTION) !== 0 || state === PAGE_ABSENT) return NOTE_NONE
    if ((state & PAGE_AROUND) !== 0) return NOTE_MAPPED_AROUND
    return this.#space.ownerOf(page) === this.#seat ? NOTE_MAPPED : NOTE_MAPPED_BY_OTHER
  }

  #call(words: Int32Array, at: number, kind: number): void {
    const space = this.#space
    const seat = this.#seat
    const relocation = this.#relocation
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
          this.#unsupported[name] = (this.#unsupported[name] ?? 0) + 1
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
    this.#emitCall(op, payload)
  }

  #brk(words: Int32Array, at: number, wanted: number): void {
    const space = this.#space
    const seat = this.#seat
    const result = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
    const previous = fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!)
    const from = this.#breakAddress(previous)
    const to = this.#breakAddress(result)
    const first = Math.ceil(Math.min(from, to) / PAGE_SIZE)
    const behind = Math.ceil(Math.max(from, to) / PAGE_SIZE)
    if (((words[at]! >>> FLAGS_SHIFT) & MAP_REPLACES) !== 0) {
      space.begin(seat)
      space.call(first, behind, true, true)
      this.#emitCall(OP_UNMAP, [first, behind - first])
    }
    space.begin(seat)
    space.moveBreak()
    space.call(first, behind, true, true)
    // A heap grows only if the page behind it is free too.
    if (to > from) space.call(behind, behind + 1, false, false)
    const target = wanted === 0 ? 0 : to
    this.#emitCall(OP_BRK, [
      Math.floor(target / PAGE_SIZE),
      target % PAGE_SIZE,
      Math.floor(to / PAGE_SIZE),
      to % PAGE_SIZE,
    ])
  }

  #emitCall(op: number, payload: readonly number[]): void {
    this.#counts.calls++
    let end = this.#emit(op, NOTE_NONE)
    const { words } = this.#streams[this.#order.worker]!
    for (const word of payload) words[end++] = word
    words[end] = this.#seat
  }

  #emitMarker(op: number, ...payload: readonly number[]): void {
    this.#emitCall(op, payload)
    this.#counts.calls--
  }

  /** Writes an operation's first word and its waits; returns where its payload goes. */
  #emit(op: number, note: number): number {
    const order = this.#order
    const { worker } = order
    const waits = order.end()
    const stream = this.#streams[worker]!
    let at = stream.reserve(1 + 2 * waits + PAYLOAD_WORDS[op]!)
    const { words } = stream
    const guest = this.#source.seats[this.#seat]!.guest ? OP_GUEST : 0
    words[at++] = op | (note << OP_NOTE_SHIFT) | guest | (waits << OP_WAITS_SHIFT)
    for (let i = 0; i < waits; i++) {
      words[at++] = order.waitWorkers[i]!
      words[at++] = order.waitOperations[i]!
    }
    this.#operations[worker]!++
    this.#times?.operation(worker, op === OP_LEAVE ? -1 : this.#seat)
    return at
  }
}

const SUPPORTED_ADVICE: ReadonlySet<number> = new Set([
  0, 1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
])
