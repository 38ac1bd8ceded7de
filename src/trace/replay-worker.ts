/**
 * A worker of a replay: performs its share of the recorded operations, each after those it must come after.
 *
 * Principles: every operation is performed; a failure is counted and listed, and the replay goes on, as the program
 * would not have failed there; what cannot be a failure of the program (a lost CPU, no memory) ends the replay.
 * Statistics are taken in memory of the worker's own and handed over at the end.
 */
import { createHistogram } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import {
  AddressSpace,
  BusError,
  Machine,
  MemoryError,
  MemoryFile,
  OutOfMemory,
  SegmentationFault,
  TOUCH_LOCKED_MM,
  TOUCH_SPECULATIVE,
  type Advice,
  type Observer,
} from '../backends/threads/index.ts'
import { readChunks } from './op-store.ts'
import { Pacing, ReplayAborted } from './pacing.ts'
import {
  COMPARED_BITS,
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
  OP_TOUCH,
  OP_TOUCH_LOCKED,
  OP_TOUCH_PRESENT,
  OP_TOUCH_REFUSED,
  OP_TOUCH_REMOVE,
  OP_UNMAP,
  OP_WAITS_SHIFT,
  PAYLOAD_WORDS,
  accessOf,
  isAccessOfKernel,
  unmatchedKind,
} from './operations.ts'
import type { ImagePlan } from './plan-types.ts'
import {
  MAP_GROWS_DOWN,
  MAP_NO_RESERVE,
  MAP_POPULATE,
  MAP_REPLACES,
  MAP_SHARED,
  MAP_STACK,
} from './records.ts'
import {
  PROTECTIONS,
  type Failure,
  type FromReplayWorker,
  type NotReproducedKind,
  type ReplayWorkerData,
  type ToReplayWorker,
  type UnmatchedFault,
  type WorkerResult,
} from './replay-protocol.ts'
import { createSpace, setHeap, SpaceTable, type OpenFile } from './replay-space.ts'

const PAGE_SIZE = 4096
const PAGES_PER_GIGABYTE = 2 ** 18
const MAX_FAILURES = 16
/** Latencies are collected here and put into the histogram when it is full. */
const LATENCY_BUFFER = 1 << 16

const MREMAP_MAYMOVE = 1
const MREMAP_DONTUNMAP = 4

/** Linux's numbers of madvise. */
const ADVICE: Readonly<Record<number, Advice>> = {
  0: 'normal',
  1: 'random',
  2: 'sequential',
  3: 'willneed',
  4: 'dontneed',
  8: 'free',
  10: 'dontfork',
  11: 'dofork',
  12: 'mergeable',
  13: 'unmergeable',
  14: 'hugepage',
  15: 'nohugepage',
  16: 'dontdump',
  17: 'dodump',
  18: 'wipeonfork',
  19: 'keeponfork',
  20: 'cold',
  21: 'pageout',
  22: 'populate-read',
  23: 'populate-write',
}

const data = workerData as ReplayWorkerData
const port = parentPort!
const pacing = new Pacing(data.pacing)
const machine = Machine.attach(data.machine)

port.on('message', (message: ToReplayWorker) => {
  try {
    if (message.type === 'replay') {
      replay(message)
    } else if (message.type === 'warm-up') {
      warmUp(message)
    } else {
      machine.detach()
      port.close()
    }
  } catch (error) {
    if (error instanceof ReplayAborted) return
    pacing.abort()
    const { name, message: text, stack } = error as Error
    send({
      type: 'failed',
      name,
      message: text,
      stack: stack ?? text,
      // Calls of the program that fail are counted; what comes here is a space that could not be set up, or a fault.
      outOfMemory: error instanceof MemoryError && error.errno === 'ENOMEM',
    })
  }
})
send({ type: 'attached' })

function send(message: FromReplayWorker): void {
  port.postMessage(message)
}

function replay(message: Extract<ToReplayWorker, { type: 'replay' }>): void {
  const files = new Map<number, OpenFile>()
  for (const { number, handle, firstPage } of message.files)
    files.set(number, { file: MemoryFile.attach(handle), firstPage })
  const { images, seatImages, tids } = message
  const performer = new Performer(
    new SpaceTable(data.machine, message.table),
    images,
    seatImages,
    files,
    tids,
  )
  send({ type: 'ready' })
  pacing.awaitStart()
  const startNs = Number(process.hrtime.bigint())
  let done = 0
  for (const { words, length } of readChunks(message.stream)) done = performer.run(words, length, done, true)
  const endNs = Number(process.hrtime.bigint())
  send({ type: 'done', startNs, endNs, ...performer.end() })
}

/** Rounds of the warm-up: enough for V8 to compile what a replay needs. */
const WARM_UP_ROUNDS = 40
const WARM_UP_PAGES = 64

/**
 * Performs operations of every common kind in an address space of its own, so that the replay does not
 * measure how V8 compiles: a program that runs on Linux finds its kernel compiled.
 */
function warmUp({ table, file }: Extract<ToReplayWorker, { type: 'warm-up' }>): void {
  const files = new Map([[1, { file: MemoryFile.attach(file), firstPage: 0 }]])
  const performer = new Performer(new SpaceTable(data.machine, table), [], [data.worker], files, [0])
  const base = PAGES_PER_GIGABYTE
  const words: number[] = []
  const touch = (page: number, errorCode: number): void =>
    void words.push(OP_TOUCH, page, errorCode << 12, 0, 0)
  // 3: read and write; 1: read.
  words.push(OP_MAP, base, WARM_UP_PAGES, 3, 0, 0, 0)
  for (let page = 0; page < WARM_UP_PAGES; page += 2) touch(base + page, 6)
  for (let page = 0; page < WARM_UP_PAGES; page += 4) touch(base + page + 1, 4)
  for (let page = 0; page < WARM_UP_PAGES; page += 4) touch(base + page + 1, 7)
  words.push(OP_PROTECT, base, WARM_UP_PAGES / 2, 1, 0)
  words.push(OP_PROTECT, base, WARM_UP_PAGES / 2, 3, 0)
  words.push(OP_ADVISE, base, WARM_UP_PAGES / 4, 4, 0)
  for (let page = 0; page < WARM_UP_PAGES / 4; page++) touch(base + page, 6)
  words.push(OP_MAP, base + WARM_UP_PAGES, WARM_UP_PAGES, 3, 1, 0, 0)
  for (let page = 0; page < WARM_UP_PAGES; page += 16) touch(base + WARM_UP_PAGES + page, 4)
  for (let page = 0; page < WARM_UP_PAGES; page += 3) touch(base + WARM_UP_PAGES + page, 7)
  words.push(OP_UNMAP, base, 2 * WARM_UP_PAGES, 0)
  const stream = Int32Array.from(words)
  for (let round = 0; round < WARM_UP_ROUNDS; round++) performer.run(stream, stream.length, 0, false)
  performer.end()
  send({ type: 'warm' })
}

/** Performs operations, and counts. */
class Performer {
  readonly #table: SpaceTable
  readonly #images: readonly ImagePlan[]
  readonly #seatImages: readonly number[]
  /** Address spaces that this thread uses. */
  readonly #spaces: (AddressSpace | undefined)[] = []
  /** The one of the last operation. */
  #space!: AddressSpace
  #image = -1
  readonly #files: ReadonlyMap<number, OpenFile>
  readonly #tids: readonly number[]
  readonly #latencies = createHistogram()
  readonly #latencyBuffer = new Uint32Array(LATENCY_BUFFER)
  #latencyCount = 0
  #maxLatency = 0
  readonly #lockWaits = createHistogram()
  #lockWaitCount = 0
  #lockWaitTotal = 0
  #faults = 0
  #speculative = 0
  #reproduced = 0
  #corrected = 0
  readonly #notReproduced: Partial<Record<NotReproducedKind, number>> = {}
  readonly #locked = { both: 0, onlyHere: 0, onlyLinux: 0, neither: 0 }
  readonly #unmatched: UnmatchedFault[] = []
  #failed = 0
  /** What is waited for now is none of the program's. */
  #correcting = false
  readonly #failures: Failure[] = []

  readonly #observer: Observer = {
    mmapLockWait: (_write, nanoseconds) => {
      if (this.#correcting) return
      this.#lockWaitCount++
      this.#lockWaitTotal += nanoseconds
      this.#lockWaits.record(Math.max(1, Math.round(nanoseconds)))
    },
  }

  constructor(
    table: SpaceTable,
    images: readonly ImagePlan[],
    seatImages: readonly number[],
    files: ReadonlyMap<number, OpenFile>,
    tids: readonly number[],
  ) {
    this.#table = table
    this.#images = images
    this.#seatImages = seatImages
    this.#files = files
    this.#tids = tids
  }

  /** The operations that follow are in this address space. */
  #use(image: number): void {
    const space = (this.#spaces[image] ??= this.#table.get(image) ?? undefined)
    if (space === undefined) throw new Error(`there is no address space ${image}`)
    this.#image = image
    this.#space = space
    space.observe(this.#observer)
  }

  #forget(): void {
    this.#space.observe(null)
    this.#spaces[this.#image] = undefined
    this.#image = -1
  }

  /** Leaves every address space, stops watching, and tells what was counted. */
  end(): Omit<WorkerResult, 'startNs' | 'endNs'> {
    if (this.#image >= 0) this.#space.observe(null)
    for (const space of this.#spaces) space?.leave()
    this.#flushLatencies()
    return {
      faults: this.#faults,
      speculative: this.#speculative,
      reproduced: this.#reproduced,
      corrected: this.#corrected,
      locked: this.#locked,
      notReproduced: this.#notReproduced,
      unmatched: this.#unmatched,
      failed: this.#failed,
      failures: this.#failures,
      latencies: this.#latencies,
      maxLatency: this.#maxLatency,
      lockWaits: this.#lockWaits,
      lockWaitCount: this.#lockWaitCount,
      lockWaitTotal: this.#lockWaitTotal,
    }
  }

  /**
   * Performs the operations of one chunk.
   * @param done how many this worker has done before
   * @returns how many it has done then
   */
  run(words: Int32Array, length: number, done: number, publish: boolean): number {
    const { worker } = data
    let at = 0
    while (at < length) {
      const first = words[at++]!
      for (let waits = first >>> OP_WAITS_SHIFT; waits > 0; waits--) {
        pacing.await(words[at]!, words[at + 1]!)
        at += 2
      }
      const op = first & 15
      const payload = PAYLOAD_WORDS[op]!
      const image = this.#seatImages[words[at + payload - 1]!]!
      if (image !== this.#image && op !== OP_EXEC) this.#use(image)
      switch (op) {
        case OP_TOUCH:
          this.#touch(words, at, first)
          break
        case OP_MAP:
          this.#map(words, at)
          break
        case OP_UNMAP:
        case OP_PROTECT:
        case OP_ADVISE:
          this.#simpleCall(words, at, op)
          break
        case OP_REMAP:
          this.#remap(words, at)
          break
        case OP_BRK:
          this.#brk(words, at)
          break
        case OP_FORK:
          this.#fork(words[at]!)
          break
        case OP_EXEC:
          this.#table.put(image, createSpace(machine, this.#images[image]!, this.#files))
          break
        case OP_LEAVE:
          this.#space.leave()
          this.#forget()
          break
        case OP_DESTROY:
          this.#space.destroy()
          this.#table.remove(image)
          this.#forget()
          break
        default:
          throw new Error(`operation of unknown kind ${op}`)
      }
      at += payload
      done++
      if (publish) pacing.publish(worker, done)
    }
    return done
  }

  #fail(operation: string, address: number, thread: number, error: unknown, line?: number): void {
    const answer =
      error instanceof MemoryError || error instanceof SegmentationFault || error instanceof BusError
    // Anything else is no answer that a program could have got.
    if (!answer || error instanceof OutOfMemory) throw error
    this.#noteFailure(operation, address, thread, `${error.name}: ${error.message}`, line)
  }

  #noteFailure(operation: string, address: number, thread: number, error: string, line?: number): void {
    this.#failed++
    if (this.#failures.length < MAX_FAILURES)
      this.#failures.push({
        operation,
        address,
        tid: this.#tids[thread]!,
        error,
        ...(line !== undefined && { line }),
      })
  }

  #touch(words: Int32Array, at: number, first: number): void {
    const second = words[at + 1]!
    const errorCode = (second >>> 12) & 0xff
    const address = (words[at]! >>> 0) * PAGE_SIZE + (second & 0xfff)
    const access = accessOf(errorCode)
    const counted = (first & OP_GUEST) === 0
    if ((second & (OP_TOUCH_REMOVE | OP_TOUCH_PRESENT)) !== 0)
      this.#correct(address - (address % PAGE_SIZE), second)
    const mustFail = (second & OP_TOUCH_REFUSED) !== 0
    let result = 0
    try {
      const begin = performance.now()
      const mode = isAccessOfKernel(errorCode) ? 'kernel' : 'user'
      result = this.#space.touch(address, access, mode)
      if (result !== 0) this.#recordLatency(performance.now() - begin)
    } catch (error) {
      if (mustFail && isRefusal(error)) {
        if (counted) this.#reproduced++
        return
      }
      this.#fail(`access ${access}`, address, words[at + 3]!, error, words[at + 2]!)
      if (counted) this.#countUnmatched('failed', words, at)
      return
    }
    if (result !== 0) {
      this.#faults++
      if ((result & TOUCH_SPECULATIVE) !== 0) this.#speculative++
    }
    if (!counted) return
    if (mustFail) {
      this.#countUnmatched('notRefused', words, at)
    } else if (result !== 0 && ((result ^ errorCode) & COMPARED_BITS) === 0) {
      this.#reproduced++
      if ((second & (OP_TOUCH_REMOVE | OP_TOUCH_PRESENT)) !== 0) this.#corrected++
      this.#countLocked((result & TOUCH_LOCKED_MM) !== 0, (second & OP_TOUCH_LOCKED) !== 0)
    } else {
      this.#countUnmatched(unmatchedKind((first >>> OP_NOTE_SHIFT) & 15, result !== 0), words, at)
    }
  }

  /** Brings a page into the state in which the recorded fault found it. Nothing of that is counted. */
  #correct(page: number, flags: number): void {
    this.#correcting = true
    try {
      if ((flags & OP_TOUCH_REMOVE) !== 0) this.#space.madvise(page, PAGE_SIZE, 'dontneed')
      if ((flags & OP_TOUCH_PRESENT) !== 0) this.#space.madvise(page, PAGE_SIZE, 'populate-read')
    } catch (error) {
      // The access will show what is wrong.
      if (error instanceof OutOfMemory || !(error instanceof MemoryError)) throw error
    } finally {
      this.#correcting = false
    }
  }

  #countUnmatched(kind: NotReproducedKind, words: Int32Array, at: number): void {
    this.#notReproduced[kind] = (this.#notReproduced[kind] ?? 0) + 1
    if (this.#unmatched.length < MAX_FAILURES)
      this.#unmatched.push({ line: words[at + 2]!, tid: this.#tids[words[at + 3]!]!, kind })
  }

  #countLocked(here: boolean, linux: boolean): void {
    const locked = this.#locked
    if (here) locked[linux ? 'both' : 'onlyHere']++
    else locked[linux ? 'onlyLinux' : 'neither']++
  }

  #fork(image: number): void {
    const child = this.#space.fork()
    setHeap(child, this.#images[image]!)
    // Whoever sits in it finds it in the table.
    child.leave()
    this.#table.put(image, child)
  }

  #recordLatency(milliseconds: number): void {
    const nanoseconds = Math.round(milliseconds * 1e6)
    if (nanoseconds > this.#maxLatency) this.#maxLatency = nanoseconds
    this.#latencyBuffer[this.#latencyCount++] = nanoseconds
    if (this.#latencyCount === LATENCY_BUFFER) this.#flushLatencies()
  }

  #flushLatencies(): void {
    for (let i = 0; i < this.#latencyCount; i++) this.#latencies.record(Math.max(1, this.#latencyBuffer[i]!))
    this.#latencyCount = 0
  }

  #map(words: Int32Array, at: number): void {
    const address = (words[at]! >>> 0) * PAGE_SIZE
    const flags = words[at + 2]! >>> 8
    const source = this.#files.get(words[at + 3]!)
    try {
      this.#space.mmap((words[at + 1]! >>> 0) * PAGE_SIZE, {
        protection: PROTECTIONS[words[at + 2]! & 7]!,
        address,
        fixed: (flags & MAP_REPLACES) !== 0 ? true : 'noreplace',
        shared: (flags & MAP_SHARED) !== 0,
        growsDown: (flags & MAP_GROWS_DOWN) !== 0,
        noReserve: (flags & MAP_NO_RESERVE) !== 0,
        populate: (flags & MAP_POPULATE) !== 0,
        stack: (flags & MAP_STACK) !== 0,
        ...(source !== undefined && {
          file: source.file,
          // Modulo 2^32, as the word is: files of devices are mapped at offsets that are cookies, not sizes.
          offset: ((words[at + 4]! - source.firstPage) >>> 0) * PAGE_SIZE,
        }),
      })
    } catch (error) {
      this.#fail('mmap', address, words[at + 5]!, error)
    }
  }

  #simpleCall(words: Int32Array, at: number, op: number): void {
    const address = (words[at]! >>> 0) * PAGE_SIZE
    const length = (words[at + 1]! >>> 0) * PAGE_SIZE
    try {
      if (op === OP_UNMAP) this.#space.munmap(address, length)
      else if (op === OP_PROTECT) this.#space.mprotect(address, length, PROTECTIONS[words[at + 2]!]!)
      else this.#space.madvise(address, length, ADVICE[words[at + 2]!]!)
    } catch (error) {
      const name = op === OP_UNMAP ? 'munmap' : op === OP_PROTECT ? 'mprotect' : 'madvise'
      this.#fail(name, address, words[at + (op === OP_UNMAP ? 2 : 3)]!, error)
    }
  }

  #remap(words: Int32Array, at: number): void {
    const address = (words[at]! >>> 0) * PAGE_SIZE
    const flags = words[at + 3]!
    const target = (words[at + 4]! >>> 0) * PAGE_SIZE
    const moved = target !== address
    try {
      this.#space.mremap(address, (words[at + 1]! >>> 0) * PAGE_SIZE, (words[at + 2]! >>> 0) * PAGE_SIZE, {
        mayMove: moved && (flags & MREMAP_MAYMOVE) !== 0,
        ...(moved && { fixed: target }),
        dontUnmap: (flags & MREMAP_DONTUNMAP) !== 0,
      })
    } catch (error) {
      this.#fail('mremap', address, words[at + 5]!, error)
    }
  }

  #brk(words: Int32Array, at: number): void {
    const wanted = (words[at]! >>> 0) * PAGE_SIZE + words[at + 1]!
    const expected = (words[at + 2]! >>> 0) * PAGE_SIZE + words[at + 3]!
    const result = this.#space.brk(wanted === 0 ? undefined : wanted)
    // brk tells a refusal by its result only. The machine's heap begins at a page, Linux's may begin inside one.
    if (Math.ceil(result / PAGE_SIZE) === Math.ceil(expected / PAGE_SIZE)) return
    const problem = `the program break is 0x${result.toString(16)}, not 0x${expected.toString(16)}`
    this.#noteFailure('brk', wanted, words[at + 4]!, problem)
  }
}

/** The signal of an access of the program, or what a call makes of one of the kernel. */
function isRefusal(error: unknown): boolean {
  if (error instanceof SegmentationFault || error instanceof BusError) return true
  return error instanceof MemoryError && error.errno === 'EFAULT'
}
