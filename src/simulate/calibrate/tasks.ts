// What a thread does to measure a machine: loops over shared memory.
//
// Principle: a thread measures batches of some microseconds, most of which nothing interrupts, also on a machine that
// has other work.

import { median } from '../../workloads/statistics.ts'
import { PAGE_SIZE, PhysicalMemory, type SharedMemory } from '../../kernel/index.ts'

/** Words of what threads have in common; each is alone in two lines, as caches fetch lines in pairs. */
const WORD_APART = 32
const GATE = 0
const TARGET = WORD_APART
const TURN = 2 * WORD_APART
/** Batches that are done, of all threads. */
const PROGRESS = 3 * WORD_APART
export const CONTROL_WORDS = 4 * WORD_APART

export interface TaskRequest {
  readonly kind: TaskKind
  /** Which of the threads that do this together. */
  readonly index: number
  readonly threads: number
  readonly batches: number
  readonly control: Int32Array
  /** Pages to clear and copy. */
  readonly memory?: SharedMemory
  /** Each word says where the next is: a circle. */
  readonly circle?: Int32Array
}

export type TaskKind =
  | 'ping-pong'
  | 'fetch-add'
  | 'compare-and-swap'
  | 'clear-hot'
  | 'clear-cold'
  | 'copy-hot'
  | 'copy-cold'
  | 'chase'
  | 'hand-off'
  | 'notify'
  | 'compute'

/**
 * Nanoseconds for each of what is counted, as this thread sees it: the median of many batches of some microseconds, so
 * that one in which a thread lost its CPU does not matter. Where threads do it together, those batches count in which
 * the others went on too. NaN where there are too few.
 */
export function runTask(request: TaskRequest): number {
  const { kind, control, threads, batches } = request
  const batch = new tasks[kind](request)
  meet(request)
  const times: number[] = []
  for (let done = 0; done < batches; done++) {
    const before = Atomics.load(control, PROGRESS)
    const begin = performance.now()
    batch.run(done)
    const ns = batch.ofOneNs ?? ((performance.now() - begin) * 1e6) / batch.size
    // This one's own batch is not among them.
    const byOthers = Atomics.add(control, PROGRESS, 1) - before
    if (byOthers >= (threads - 1) / 2) times.push(ns)
  }
  return times.length < batches / BATCHES_SHARE ? Number.NaN : median(times)
}

/** Of fewer than this part of the batches nothing is told. */
const BATCHES_SHARE = 16

/** All threads begin together: none is measured while another has still to start. */
function meet({ control, threads }: TaskRequest): void {
  Atomics.add(control, GATE, 1)
  while (Atomics.load(control, GATE) < threads) Atomics.pause()
}

abstract class Batch {
  protected readonly request: TaskRequest
  /** How much one batch counts. */
  abstract readonly size: number
  /** What one took, where that is not the time of the whole batch. */
  ofOneNs: number | null = null
  abstract run(number: number): void

  constructor(request: TaskRequest) {
    this.request = request
  }
}

/** Two threads take turns at one word; each turn is one way. */
class PingPong extends Batch {
  readonly size = 64

  run(number: number): void {
    const { control, index } = this.request
    const first = number * this.size
    for (let turn = first + index; turn < first + this.size; turn += 2)
      while (Atomics.compareExchange(control, TARGET, turn, turn + 1) !== turn);
  }
}

class FetchAdd extends Batch {
  readonly size = 256

  run(): void {
    const { control } = this.request
    for (let turn = 0; turn < this.size; turn++) Atomics.add(control, TARGET, 1)
  }
}

/** Goes on with what a compare-and-swap that failed has seen. */
class CompareAndSwap extends Batch {
  readonly size = 256

  run(): void {
    const { control } = this.request
    for (let turn = 0; turn < this.size; turn++) {
      let value = Atomics.load(control, TARGET)
      for (;;) {
        const seen = Atomics.compareExchange(control, TARGET, value, value + 1)
        if (seen === value) break
        value = seen
      }
    }
  }
}

/** Does something to pages of the thread's own part of the memory: to one again and again, or to all in turn. */
abstract class OnPages extends Batch {
  readonly size = 32
  protected readonly physical: PhysicalMemory
  protected readonly first: number
  protected readonly half: number
  readonly #isHot: boolean

  constructor(request: TaskRequest) {
    super(request)
    this.physical = new PhysicalMemory(request.memory!)
    this.half = Math.floor(this.physical.frameCount / request.threads / 2)
    this.first = request.index * 2 * this.half
    this.#isHot = request.kind.endsWith('hot')
  }

  run(number: number): void {
    for (let page = 0; page < this.size; page++) this.work(this.#isHot ? 0 : number * this.size + page)
  }

  protected abstract work(page: number): void
}

class Clear extends OnPages {
  protected work(page: number): void {
    this.physical.zeroFrame(this.first + (page % (2 * this.half)))
  }
}

/** From the second half of the memory into the first. */
class Copy extends OnPages {
  protected work(page: number): void {
    const to = this.first + (page % this.half)
    this.physical.copyFrame(to, to + this.half)
  }
}

/** Each load says where the next is, so that they cannot overlap. */
class Chase extends Batch {
  readonly size = 256
  #at = 0

  run(): void {
    const words = this.request.circle!
    let at = this.#at
    for (let done = 0; done < this.size; done++) at = words[at]!
    this.#at = at
  }
}

/** Two threads wake each other by turns, each of which sleeps meanwhile: one way. */
class HandOff extends Batch {
  readonly size = 8

  run(number: number): void {
    const { control, index } = this.request
    const first = number * this.size
    for (let turn = first + index; turn < first + this.size; turn += 2) {
      for (let now = Atomics.load(control, TURN); now !== turn; now = Atomics.load(control, TURN))
        Atomics.wait(control, TURN, now, 1000)
      Atomics.store(control, TURN, turn + 1)
      this.notify(control)
    }
  }

  protected notify(control: Int32Array): void {
    Atomics.notify(control, TURN, 1)
  }
}

/** The same, and of each way what the one takes that wakes the other. */
class Notify extends HandOff {
  override run(number: number): void {
    this.ofOneNs = 0
    super.run(number)
  }

  protected override notify(control: Int32Array): void {
    const begin = performance.now()
    super.notify(control)
    this.ofOneNs! += ((performance.now() - begin) * 1e6) / (this.size / 2)
  }
}

/** Arithmetic that depends on itself, with some that does not: what two threads of a core share. */
class Compute extends Batch {
  readonly size = 10_000
  #values: [number, number, number] = [1, 2, 3]

  run(): void {
    let [a, b, c] = this.#values
    for (let turn = 0; turn < this.size; turn++) {
      a = (Math.imul(a, 1_664_525) + 1) | 0
      b = (Math.imul(b, 22_695_477) + 1) | 0
      c = (c + (a ^ b)) | 0
    }
    this.#values = [a, b, c]
  }
}

const tasks: Readonly<Record<TaskKind, new (request: TaskRequest) => Batch>> = {
  'ping-pong': PingPong,
  'fetch-add': FetchAdd,
  'compare-and-swap': CompareAndSwap,
  'clear-hot': Clear,
  'clear-cold': Clear,
  'copy-hot': Copy,
  'copy-cold': Copy,
  chase: Chase,
  'hand-off': HandOff,
  notify: Notify,
  compute: Compute,
}

/** A circle through `bytes`, in lines of 64 bytes, in an order that no prefetcher guesses. */
export function makeCircle(bytes: number, next: () => number): Int32Array {
  const WORDS_PER_LINE = 16
  const lines = Math.max(2, Math.floor(bytes / 64))
  const order = Int32Array.from({ length: lines }, (_, line) => line)
  for (let at = lines - 1; at > 0; at--) {
    const other = Math.floor((next() / 2 ** 32) * (at + 1))
    const line = order[at]!
    order[at] = order[other]!
    order[other] = line
  }
  const circle = new Int32Array(new SharedArrayBuffer(lines * 64))
  for (let at = 0; at < lines; at++)
    circle[order[at]! * WORDS_PER_LINE] = order[(at + 1) % lines]! * WORDS_PER_LINE
  return circle
}

/** Shared memory of so many pages, each written once. */
export function makePages(pages: number): SharedMemory {
  const PAGES_OF_WASM = 16
  const size = Math.ceil(pages / PAGES_OF_WASM)
  const memory = new WebAssembly.Memory({ initial: size, maximum: 65_536, shared: true })
  const bytes = new Uint8Array(memory.buffer)
  for (let at = 0; at < bytes.length; at += PAGE_SIZE) bytes[at] = 1
  return memory
}
