/**
 * From recorded address spaces to what each worker of a replay has to do: relocated operations and waits.
 *
 * Principles: one pass over the records in recorded order, with a small model of the pages (there or not, and why).
 * The model is not the replay: it tells what the page cache must have held when the program was recorded, how much
 * memory a replay needs, and, for a fault that does not occur in the replay, which of the known reasons applies.
 */
import { CacheOrder } from './cache-order.ts'
import { TraceError } from './errors.ts'
import type { RecordedImage } from './imported-trace.ts'
import { dealThreads } from './lanes.ts'
import { PAGE_SIZE, type Mapping } from './layout.ts'
import type { OpStore } from './op-store.ts'
import { readChunks } from './op-store.ts'
import { OP_DESTROY, OP_EXEC, OP_FORK, OP_LEAVE, OP_SLEEP } from './operations.ts'
import { OrderAnalysis } from './order.ts'
import type { ImagePlan, PlannedMapping, PlanSource, ReplayPlan } from './plan-types.ts'
import {
  RECORD_CREATE,
  RECORD_DESTROY,
  RECORD_EXEC,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_FORK,
  RECORD_JOIN,
  RECORD_SLEEP,
  RECORD_STACK_FAULT,
  RECORD_WAKE,
  RECORD_WORDS,
  STATUS_DONE,
  STATUS_OPEN,
  STATUS_SHIFT,
} from './records.ts'
import { PlannedTimes } from './recorded-times.ts'
import { PlannedCalls } from './planned-calls.ts'
import { PlannedFaults } from './planned-faults.ts'
import { PlannedFiles } from './planned-files.ts'
import { Place, PlannedOperations } from './planned-operations.ts'
import { relocate } from './relocate.ts'
import { RelocationError, type Relocation } from './relocation.ts'
import { MemoryUse, SpaceOrder } from './space-order.ts'

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
  readonly #spaces: (SpaceOrder | undefined)[]
  readonly #times: PlannedTimes | null
  readonly #stackGrowth: number[]
  #begun: readonly ImagePlan[] = []
  readonly #files = new PlannedFiles()
  readonly #place = new Place()
  readonly #operations: PlannedOperations
  readonly #faults: PlannedFaults
  readonly #calls: PlannedCalls
  readonly #counts = { forks: 0, execs: 0, exits: 0, refusedCalls: 0, openCalls: 0 }

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
    this.#spaces = source.images.map(() => undefined)
    this.#stackGrowth = source.images.map(() => 0)
    const { times } = source
    this.#times = times === null || times === undefined ? null : new PlannedTimes(times, workers, store)
    const operations = new PlannedOperations(
      this.#place,
      this.#order,
      source.seats,
      this.#times,
      workers,
      store,
    )
    this.#operations = operations
    this.#faults = new PlannedFaults(
      this.#place,
      new CacheOrder(this.#order, source.records),
      this.#files,
      operations,
    )
    this.#calls = new PlannedCalls(this.#place, this.#files, operations)
  }

  plan(): ReplayPlan {
    const { images, seats, records } = this.#source
    const begun = images.map((image, number) => this.#plannedImage(image, number))
    this.#begun = begun
    this.#place.image = -1
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
      streams: this.#operations.streams.map((stream) => stream.handle()),
      times: this.#times?.handles() ?? [],
      operations: this.#operations.counts,
      corrections: this.#faults.corrections,
      contradictions: this.#faults.contradictions,
      statistics: {
        operations,
        faults: this.#faults.count,
        calls: this.#operations.calls,
        ...this.#counts,
        unsupportedAdvice: this.#calls.unsupported,
        waits,
        longestChain,
      },
      peakFrames,
      cachedPages,
      peakTables,
      peakSpaces,
    }
  }

  #plannedImage(image: RecordedImage, number: number): ImagePlan {
    this.#enter(number)
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
      heapStart: hasHeap ? this.#place.breakAddress(heapStart) : -1,
      heapEnd: hasHeap ? this.#place.breakAddress(heapEnd) : -1,
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

  #enter(image: number): void {
    this.#place.image = image
    this.#place.relocation = this.#relocations[image]!
    this.#place.heapStart = this.#source.images[image]!.heapStart
  }

  #use(image: number): void {
    this.#enter(image)
    let space = this.#spaces[image]
    if (space === undefined) {
      space = new SpaceOrder(this.#order, this.#memory)
      for (const page of this.#begun[image]!.written) space.populate(page, page + 1, this.#place.seat, true)
      this.#spaces[image] = space
    }
    this.#place.space = space
  }

  #plannedMapping(mapping: Mapping): PlannedMapping {
    const start = this.#place.relocation.address(mapping.start)
    const pages = (this.#place.relocation.end(mapping.end) - start) / PAGE_SIZE
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
    this.#place.seat = seat
    if (kind === RECORD_EXEC) {
      this.#exec(image, words[at + 2]!)
      return
    }
    if (image !== this.#place.image) this.#use(image)
    switch (kind) {
      case RECORD_FAULT:
      case RECORD_STACK_FAULT:
      case RECORD_FILE_FAULT:
        this.#stackGrowth[image]! += this.#faults.fault(words, at, kind)
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
        this.#place.space.begin(seat)
        this.#operations.write(OP_SLEEP, [])
        return
      case RECORD_WAKE:
        this.#times?.woken(words[at + 2]!, seat, this.#order.workerOf(seat), this.#order.operationsOf(seat))
        return
      default: {
        const status = (words[at]! >> STATUS_SHIFT) & 0xff
        if (status === STATUS_DONE) this.#calls.call(words, at, kind)
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
      this.#place.space.markForked()
      return
    }
    this.#place.space.begin(this.#place.seat)
    this.#spaces[image] = this.#place.space.fork()
    this.#operations.write(OP_FORK, [image])
    this.#noteCreation(child, this.#place.seat)
    this.#order.seatAfter(child, this.#place.seat, false)
    this.#counts.forks++
  }

  #exec(image: number, before: number): void {
    this.#seatAfter(this.#place.seat, before)
    this.#use(image)
    if (this.#source.images[image]!.origin === 'start') return
    this.#place.space.begin(this.#place.seat)
    this.#operations.write(OP_EXEC, [])
    this.#counts.execs++
  }

  /** Workers that have used the address space leave it first. */
  #destroy(): void {
    const order = this.#order
    for (const worker of this.#place.space.otherUsers(order.workerOf(this.#place.seat))) {
      order.beginExtra(worker)
      this.#place.space.leave()
      this.#operations.write(OP_LEAVE, [])
    }
    this.#place.space.begin(this.#place.seat)
    this.#place.space.destroy()
    this.#operations.write(OP_DESTROY, [])
    this.#counts.exits++
    this.#spaces[this.#place.image] = undefined
    this.#place.image = -1
  }
}
