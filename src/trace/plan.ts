/**
 * From a recorded address space to what each worker of a replay has to do: relocated operations and waits.
 *
 * Principles: one pass over the records in recorded order, with a small model of the pages (there or not, and why).
 * The model is not the replay: it tells what the page cache must have held when the program was recorded, how much
 * memory a replay needs, and, for a fault that does not occur in the replay, which of the known reasons applies.
 */
import { TraceError } from './errors.ts'
import type { RecordedImage } from './import.ts'
import { PAGE_SIZE, type Mapping } from './layout.ts'
import type { OpStore, WordStream, WordStreamHandle } from './op-store.ts'
import { readChunks } from './op-store.ts'
import { OrderAnalysis, PAGE_ABSENT, PAGE_AROUND, PAGE_FAULTED, PAGE_FORKED, PAGE_OWNED } from './order.ts'
import {
  CALL_ADDRESS,
  CALL_ARGUMENT,
  CALL_FILE,
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  FAULT_ERROR_SHIFT,
  FAULT_WINDOW_SHIFT,
  FLAGS_SHIFT,
  fromWords,
  MAP_POPULATE,
  MAP_REPLACES,
  MAP_SHARED,
  RECORD_ADVISE,
  RECORD_BRK,
  RECORD_CREATE,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_FORK,
  RECORD_JOIN,
  RECORD_MAP,
  RECORD_PROTECT,
  RECORD_REMAP,
  RECORD_STACK_FAULT,
  RECORD_UNMAP,
  RECORD_WORDS,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_SHIFT,
} from './records.ts'
import { FAULT_PROTECTION, FAULT_WRITE, type RecordedThread } from './recorded-space.ts'
import { Relocation, RelocationError } from './relocation.ts'

/**
 * Operations of a worker's stream. First word: operation | note << 4 | guest << 8 | waits << 16; then for each wait a
 * worker and an operation number; then the payload, whose last word is the thread.
 */
export const OP_TOUCH = 1 // page, offset | error code << 12
export const OP_MAP = 2 // page, pages, protection | flags << 8, file, file page
export const OP_UNMAP = 3 // page, pages
export const OP_PROTECT = 4 // page, pages, protection
export const OP_ADVISE = 5 // page, pages, advice
export const OP_REMAP = 6 // page, old pages, new pages, flags, new page
export const OP_BRK = 7 // page, offset, result page, result offset

export const PAYLOAD_WORDS: readonly number[] = [0, 3, 6, 3, 4, 4, 6, 5]

export const OP_NOTE_SHIFT = 4
export const OP_GUEST = 1 << 8
export const OP_WAITS_SHIFT = 16

/** Why a fault may not occur in the replay, as far as the order of the records tells. */
export const NOTE_NONE = 0
/** The page is there already, by a fault of the same thread. */
export const NOTE_MAPPED = 1
/** Another thread's fault on the same page came first; both found it missing when the program was recorded. */
export const NOTE_MAPPED_BY_OTHER = 2
/** The kernel maps it around a neighbour's fault. */
export const NOTE_MAPPED_AROUND = 3
/** Linux had write-protected the page because the address space was forked. */
export const NOTE_FORKED = 4
/** Linux had mapped the page along with a neighbour in the same large folio of the page cache. */
export const NOTE_LARGE_FOLIO = 5

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

/** Waits of one operation that can be written down: one for each worker. */
const MAX_THREADS = 65535

export interface PlannedMapping {
  readonly page: number
  readonly pages: number
  readonly protection: number
  readonly shared: boolean
  readonly file: number
  readonly filePage: number
  readonly growsDown: boolean
}

export interface PlannedFile {
  /** Number in the trace's table. */
  readonly number: number
  /** First page of the file that is mapped; the replayed file begins there. */
  firstPage: number
  behindPage: number
  /** Runs of pages, [first, count], that were in Linux's page cache. */
  cached: [number, number][]
}

export interface PlanStatistics {
  readonly operations: number
  readonly faults: number
  readonly calls: number
  /** Calls that Linux refused, calls without an exit, and advice that this version does not have: left out. */
  readonly refusedCalls: number
  readonly openCalls: number
  readonly unsupportedAdvice: Readonly<Record<string, number>>
  /** Waits of one thread's operation for another thread's. */
  readonly waits: number
  /** Operations of the longest chain that must be one after the other. */
  readonly longestChain: number
}

/** What a replay of one address space does. */
export interface ImagePlan {
  readonly prelude: readonly PlannedMapping[]
  /** Where the heap begins and ends before the first operation, relocated; -1 without a heap. */
  readonly heapStart: number
  readonly heapEnd: number
  /** Bytes by which stacks grow. */
  readonly stackGrowth: number
  readonly files: readonly PlannedFile[]
  /** One stream for each worker. */
  readonly streams: readonly WordStreamHandle[]
  /** Operations of each worker. */
  readonly operations: readonly number[]
  readonly statistics: PlanStatistics
  /** Frames for the address space's own pages, at most, in recorded order. */
  readonly peakOwnedPages: number
  readonly cachedPages: number
  /** Page tables, at most. */
  readonly pageTables: number
  /** tid of each thread, for messages. */
  readonly tids: readonly number[]
}

/** For each thread of an address space, the thread that stands for it in a replay: itself, or who waits for it. */
function representatives(threads: readonly RecordedThread[]): number[] {
  const found: number[] = []
  // A lender is always older than its guest.
  for (const [thread, { lender }] of threads.entries()) found.push(lender < 0 ? thread : found[lender]!)
  return found
}

/** How many workers an address space can keep busy. */
export function busyThreads(threads: readonly RecordedThread[]): number {
  const representative = representatives(threads)
  return new Set(representative.filter((_, thread) => threads[thread]!.operations > 0)).size
}

/**
 * Deals threads out to workers: the busiest first, each to the worker with the least to do. A guest goes where the
 * thread is that waits for it.
 * @returns the worker of each thread
 */
export function dealThreads(threads: readonly RecordedThread[], workers: number): Uint16Array {
  const representative = representatives(threads)
  const operations = threads.map(() => 0)
  for (const [thread, one] of threads.entries()) operations[representative[thread]!]! += one.operations
  const workerOf = new Uint16Array(threads.length)
  const load = new Float64Array(workers)
  const order = threads
    .map((_, thread) => thread)
    .filter((thread) => representative[thread] === thread)
    .toSorted((a, b) => operations[b]! - operations[a]!)
  for (const thread of order) {
    let least = 0
    for (let worker = 1; worker < workers; worker++) if (load[worker]! < load[least]!) least = worker
    workerOf[thread] = least
    load[least]! += operations[thread]!
  }
  for (const [thread, other] of representative.entries()) workerOf[thread] = workerOf[other]!
  return workerOf
}

/**
 * Plans the replay of one address space.
 * @param file the trace, for messages
 * @param workers number of workers
 * @param store where the streams go
 */
export function planImage(file: string, image: RecordedImage, workers: number, store: OpStore): ImagePlan {
  return new Planner(file, image, workers, store).plan()
}

class Planner {
  readonly #image: RecordedImage
  readonly #workerOf: Uint16Array
  readonly #relocation: Relocation
  readonly #order: OrderAnalysis
  readonly #streams: WordStream[]
  readonly #operations: number[]
  readonly #files = new Map<number, PlannedFile>()
  readonly #cached = new Map<number, Set<number>>()
  /** Pages of files that faulted though a neighbour's fault would have mapped them: not in the page cache then. */
  readonly #notCached = new Map<number, Set<number>>()
  #faults = 0
  #calls = 0
  #refused = 0
  #open = 0
  #stackGrowth = 0
  readonly #unsupported: Record<string, number> = {}

  constructor(file: string, image: RecordedImage, workers: number, store: OpStore) {
    this.#image = image
    if (image.threads.length > MAX_THREADS) {
      throw new TraceError(
        'limit',
        file,
        undefined,
        `the process has ${image.threads.length} threads, more than ${MAX_THREADS}`,
        'Record for a shorter time.',
      )
    }
    this.#workerOf = dealThreads(image.threads, workers)
    try {
      this.#relocation = Relocation.create(image.extents, () => pointsOf(image))
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
    this.#order = new OrderAnalysis(this.#workerOf, workers)
    this.#streams = Array.from({ length: workers }, () => store.createStream())
    this.#operations = Array.from({ length: workers }, () => 0)
  }

  plan(): ImagePlan {
    const image = this.#image
    const prelude = image.prelude.map((mapping) => this.#plannedMapping(mapping))
    for (const { words, length } of readChunks(image.records)) {
      for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) this.#record(words, at)
    }
    const order = this.#order
    const files = [...this.#files.values()]
    let cachedPages = 0
    for (const file of files) {
      const missing = this.#notCached.get(file.number)
      const pages = [...(this.#cached.get(file.number) ?? [])].filter((page) => missing?.has(page) !== true)
      cachedPages += pages.length
      file.cached = runsOfPages(pages.toSorted((a, b) => a - b))
    }
    return {
      prelude,
      heapStart: image.heapStart < 0 ? -1 : this.#breakAddress(image.heapStart),
      heapEnd: image.heapStart < 0 ? -1 : this.#breakAddress(image.heapEnd),
      stackGrowth: this.#stackGrowth,
      files,
      streams: this.#streams.map((stream) => stream.handle()),
      operations: this.#operations,
      statistics: {
        operations: order.operations,
        faults: this.#faults,
        calls: this.#calls,
        refusedCalls: this.#refused,
        openCalls: this.#open,
        unsupportedAdvice: this.#unsupported,
        waits: order.waits,
        longestChain: order.longestChain,
      },
      peakOwnedPages: order.peakOwnedPages,
      cachedPages,
      pageTables: order.peakBlocks,
      tids: image.threads.map(({ tid }) => tid),
    }
  }

  /** A program break is the end of a range, but its lowest value is a beginning. */
  #breakAddress(value: number): number {
    return value > this.#image.heapStart ? this.#relocation.end(value) : this.#relocation.address(value)
  }

  #plannedMapping(mapping: Mapping): PlannedMapping {
    const start = this.#relocation.address(mapping.start)
    const pages = (this.#relocation.end(mapping.end) - start) / PAGE_SIZE
    const filePage = mapping.offset / PAGE_SIZE
    this.#useFile(mapping.file, filePage, pages)
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

  #useFile(number: number, page: number, pages: number): void {
    if (number === 0) return
    const file = this.#files.get(number)
    if (file === undefined) {
      this.#files.set(number, { number, firstPage: page, behindPage: page + pages, cached: [] })
      return
    }
    file.firstPage = Math.min(file.firstPage, page)
    file.behindPage = Math.max(file.behindPage, page + pages)
  }

  #record(words: Int32Array, at: number): void {
    const kind = words[at]! & 0xff
    switch (kind) {
      case RECORD_FAULT:
      case RECORD_STACK_FAULT:
      case RECORD_FILE_FAULT:
        this.#fault(words, at, kind)
        return
      case RECORD_FORK:
        this.#order.fork()
        return
      case RECORD_CREATE:
        this.#order.threadAfter(words[at + 2]!, words[at + 1]!)
        return
      case RECORD_JOIN:
        this.#order.threadAfter(words[at + 1]!, words[at + 2]!)
        return
      default: {
        const status = (words[at]! >> STATUS_SHIFT) & 0xff
        if (status === STATUS_DONE) this.#call(words, at, kind)
        else if (status === STATUS_OPEN) this.#open++
        else this.#refused++
      }
    }
  }

  #fault(words: Int32Array, at: number, kind: number): void {
    const order = this.#order
    const thread = words[at + 1]!
    const errorCode = words[at]! >>> FAULT_ERROR_SHIFT
    const window = (words[at]! >>> FAULT_WINDOW_SHIFT) & 0xff
    const address = this.#relocation.address(fromWords(words[at + 2]!, words[at + 3]!))
    const page = Math.floor(address / PAGE_SIZE)
    const first = page - (window & 15)
    let last = page + (window >> 4)
    if (kind === RECORD_STACK_FAULT) {
      last += words[at + 4]!
      this.#stackGrowth += words[at + 4]! * PAGE_SIZE
    }
    order.begin(thread)
    const state = order.fault(thread, page, first, last)
    const write = (errorCode & FAULT_WRITE) !== 0
    const note = this.#note(state, errorCode, page, thread, kind === RECORD_FILE_FAULT)
    if (kind === RECORD_FILE_FAULT) {
      const file = words[at + 4]!
      const filePage = words[at + 5]!
      const cached = setOf(this.#cached, file)
      if (state === PAGE_AROUND && (errorCode & FAULT_PROTECTION) === 0)
        setOf(this.#notCached, file).add(filePage)
      cached.add(filePage)
      if (window !== 0) {
        for (let other = first; other <= last; other++) {
          cached.add(filePage + other - page)
          if (order.state(other) === PAGE_ABSENT) order.setState(other, PAGE_AROUND, thread)
        }
      }
    }
    // A page of one's own: what is written in a private mapping, and (as we cannot tell) in a shared one without a
    // file.
    const owned = write || (state & PAGE_OWNED) !== 0 ? PAGE_OWNED : 0
    const owner = (state & PAGE_FAULTED) === 0 ? thread : order.ownerOf(page)
    order.setState(page, PAGE_FAULTED | owned, owner)
    this.#faults++
    const end = this.#emit(OP_TOUCH, thread, note)
    const stream = this.#streams[this.#workerOf[thread]!]!.words
    stream[end] = page
    stream[end + 1] = (address % PAGE_SIZE) | ((errorCode & 0xff) << 12)
    stream[end + 2] = thread
  }

  #note(state: number, errorCode: number, page: number, thread: number, ofFile: boolean): number {
    if ((errorCode & FAULT_PROTECTION) !== 0) {
      if ((state & PAGE_FORKED) !== 0 || (state === PAGE_ABSENT && this.#image.inherited)) return NOTE_FORKED
      return ofFile && state === PAGE_ABSENT ? NOTE_LARGE_FOLIO : NOTE_NONE
    }
    if ((state & PAGE_AROUND) !== 0) return NOTE_MAPPED_AROUND
    if (state === PAGE_ABSENT) return NOTE_NONE
    return this.#order.ownerOf(page) === thread ? NOTE_MAPPED : NOTE_MAPPED_BY_OTHER
  }

  #call(words: Int32Array, at: number, kind: number): void {
    const order = this.#order
    const relocation = this.#relocation
    const thread = words[at + 1]!
    const start = fromWords(words[at + CALL_ADDRESS]!, words[at + CALL_ADDRESS + 1]!)
    const length = fromWords(words[at + CALL_LENGTH]!, words[at + CALL_LENGTH + 1]!)
    const argument = words[at + CALL_ARGUMENT]!
    if (kind === RECORD_BRK) {
      this.#brk(words, at, thread, start)
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
        const filePage = Math.floor(
          fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!) / PAGE_SIZE,
        )
        this.#useFile(file, filePage, behind - first)
        order.begin(thread)
        order.call(first, behind, true, true)
        if ((flags & MAP_POPULATE) !== 0 && argument !== 0 && (flags & MAP_SHARED) === 0)
          order.populate(first, behind, thread)
        payload = [first, behind - first, argument | (flags << 8), file, filePage]
        break
      }
      case RECORD_UNMAP:
        op = OP_UNMAP
        order.begin(thread)
        order.call(first, behind, true, true)
        payload = [first, behind - first]
        break
      case RECORD_PROTECT:
        op = OP_PROTECT
        order.begin(thread)
        order.call(first, behind, true, false)
        payload = [first, behind - first, argument]
        break
      case RECORD_ADVISE:
        if (!SUPPORTED_ADVICE.has(argument)) {
          const name = `madvise ${argument}`
          this.#unsupported[name] = (this.#unsupported[name] ?? 0) + 1
          return
        }
        op = OP_ADVISE
        order.begin(thread)
        order.call(first, behind, !ADVICE_WITHOUT_PAGES.has(argument), ADVICE_REMOVING.has(argument))
        if (argument === MADV_POPULATE_WRITE || argument === MADV_POPULATE_READ)
          order.populate(first, behind, thread)
        payload = [first, behind - first, argument]
        break
      case RECORD_REMAP: {
        op = OP_REMAP
        const newStart = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
        const newLength = fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!)
        const newFirst = relocation.address(newStart) / PAGE_SIZE
        const newBehind = relocation.end(newStart + newLength) / PAGE_SIZE
        order.begin(thread)
        if (newFirst === first) {
          order.call(Math.min(behind, newBehind), Math.max(behind, newBehind), true, true)
          order.call(first, Math.min(behind, newBehind), true, false)
        } else {
          order.call(newFirst, newBehind, true, true)
          order.call(first, behind, true, false)
          order.movePages(first, Math.min(behind, first + newBehind - newFirst), newFirst)
          order.call(first, behind, true, true)
        }
        payload = [first, behind - first, newBehind - newFirst, argument, newFirst]
        break
      }
      default:
        throw new Error(`record of unknown kind ${kind}`)
    }
    this.#emitCall(op, thread, payload)
  }

  #brk(words: Int32Array, at: number, thread: number, wanted: number): void {
    const order = this.#order
    const result = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
    const previous = fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!)
    const from = this.#breakAddress(previous)
    const to = this.#breakAddress(result)
    const first = Math.ceil(Math.min(from, to) / PAGE_SIZE)
    const behind = Math.ceil(Math.max(from, to) / PAGE_SIZE)
    if (((words[at]! >>> FLAGS_SHIFT) & MAP_REPLACES) !== 0) {
      order.begin(thread)
      order.call(first, behind, true, true)
      this.#emitCall(OP_UNMAP, thread, [first, behind - first])
    }
    order.begin(thread)
    order.moveBreak()
    order.call(first, behind, true, true)
    const target = wanted === 0 ? 0 : to
    this.#emitCall(OP_BRK, thread, [
      Math.floor(target / PAGE_SIZE),
      target % PAGE_SIZE,
      Math.floor(to / PAGE_SIZE),
      to % PAGE_SIZE,
    ])
  }

  #emitCall(op: number, thread: number, payload: readonly number[]): void {
    this.#calls++
    let end = this.#emit(op, thread, NOTE_NONE)
    const words = this.#streams[this.#workerOf[thread]!]!.words
    for (const word of payload) words[end++] = word
    words[end] = thread
  }

  /** Writes an operation's first word and its waits; returns where its payload goes. */
  #emit(op: number, thread: number, note: number): number {
    const order = this.#order
    const worker = this.#workerOf[thread]!
    const waits = order.end()
    const stream = this.#streams[worker]!
    let at = stream.reserve(1 + 2 * waits + PAYLOAD_WORDS[op]!)
    const { words } = stream
    const guest = this.#image.threads[thread]!.guest ? OP_GUEST : 0
    words[at++] = op | (note << OP_NOTE_SHIFT) | guest | (waits << OP_WAITS_SHIFT)
    for (let i = 0; i < waits; i++) {
      words[at++] = order.waitWorkers[i]!
      words[at++] = order.waitOperations[i]!
    }
    this.#operations[worker]!++
    return at
  }
}

const SUPPORTED_ADVICE: ReadonlySet<number> = new Set([
  0, 1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
])

function setOf(map: Map<number, Set<number>>, key: number): Set<number> {
  let set = map.get(key)
  if (set === undefined) {
    set = new Set()
    map.set(key, set)
  }
  return set
}

function runsOfPages(pages: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (const page of pages) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === page) last[1]++
    else runs.push([page, 1])
  }
  return runs
}

/** Every address that an operation of a recorded address space names. */
function* pointsOf(image: RecordedImage): Generator<number> {
  for (const { words, length } of readChunks(image.records)) {
    for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) {
      const kind = words[at]! & 0xff
      if (kind === RECORD_FORK || kind === RECORD_CREATE || kind === RECORD_JOIN) continue
      const address = fromWords(words[at + 2]!, words[at + 3]!)
      yield address
      if (kind === RECORD_FAULT || kind === RECORD_FILE_FAULT || kind === RECORD_STACK_FAULT) continue
      const covered = fromWords(words[at + CALL_LENGTH]!, words[at + CALL_LENGTH + 1]!)
      if (covered > 0) yield address + covered - 1
      const second = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
      if (kind === RECORD_REMAP) {
        yield second
        yield second + fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!) - 1
      } else if (kind === RECORD_BRK) {
        yield second
      }
    }
  }
  for (const { start, end } of image.prelude) {
    yield start
    yield end - 1
  }
}
