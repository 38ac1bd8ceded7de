// What a thread does to measure a machine: loops over shared memory, each of which returns nanoseconds.
//
// Principle: a sample is a few milliseconds long, so that most samples have no interruption in them; the caller takes
// many, and their median.

import { PAGE_SIZE, PhysicalMemory, type SharedMemory } from '../../kernel/index.ts'

/** Words of what threads have in common; each is alone in two lines, as caches fetch lines in pairs. */
export const WORD_APART = 32
export const GATE = 0
export const TARGET = WORD_APART
export const TURN = 2 * WORD_APART
export const CONTROL_WORDS = 4 * WORD_APART

export interface TaskRequest {
  readonly kind: TaskKind
  /** Which of the threads that do this together. */
  readonly index: number
  readonly threads: number
  /** Turns, pages, loads: what the loop counts. */
  readonly count: number
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
  | 'compute'

/** Nanoseconds for each of what is counted, as this thread sees it. */
export function runTask(request: TaskRequest): number {
  meet(request)
  const begin = performance.now()
  const counted = tasks[request.kind](request)
  return ((performance.now() - begin) * 1e6) / counted
}

/** All threads begin together: none is measured while another has still to start. */
function meet({ control, threads }: TaskRequest): void {
  Atomics.add(control, GATE, 1)
  while (Atomics.load(control, GATE) < threads) Atomics.pause()
}

/** Each returns how much it has counted. */
const tasks: Readonly<Record<TaskKind, (request: TaskRequest) => number>> = {
  'ping-pong': pingPong,
  'fetch-add': fetchAdd,
  'compare-and-swap': compareAndSwap,
  'clear-hot': (request) => onPages(request, 1, (memory, page) => memory.zeroFrame(page)),
  'clear-cold': (request) => onPages(request, Infinity, (memory, page) => memory.zeroFrame(page)),
  'copy-hot': (request) => onPages(request, 1, (memory, page) => memory.copyFrame(page, page + 1)),
  'copy-cold': copyCold,
  chase,
  'hand-off': handOff,
  compute,
}

/** Two threads take turns at one word; each turn is one way. */
function pingPong({ control, index, count }: TaskRequest): number {
  for (let turn = index; turn < count; turn += 2)
    while (Atomics.compareExchange(control, TARGET, turn, turn + 1) !== turn);
  return count
}

function fetchAdd({ control, count }: TaskRequest): number {
  for (let turn = 0; turn < count; turn++) Atomics.add(control, TARGET, 1)
  return count
}

/** Goes on with what a compare-and-swap that failed has seen. */
function compareAndSwap({ control, count }: TaskRequest): number {
  for (let turn = 0; turn < count; turn++) {
    let value = Atomics.load(control, TARGET)
    for (;;) {
      const seen = Atomics.compareExchange(control, TARGET, value, value + 1)
      if (seen === value) break
      value = seen
    }
  }
  return count
}

/** Does something to `count` pages, in the thread's own part of the memory, over `different` of them again and again. */
function onPages(
  { memory, index, threads, count }: TaskRequest,
  different: number,
  work: (memory: PhysicalMemory, page: number) => void,
): number {
  const physical = new PhysicalMemory(memory!)
  const own = Math.floor(physical.frameCount / threads)
  const pages = Math.min(own - 1, different)
  const first = index * own
  for (let done = 0, page = 0; done < count; done++) {
    work(physical, first + page)
    page = page + 1 < pages ? page + 1 : 0
  }
  return count
}

/** From the second half of the thread's memory into the first. */
function copyCold(request: TaskRequest): number {
  const physical = new PhysicalMemory(request.memory!)
  const half = Math.floor(physical.frameCount / request.threads / 2)
  const first = request.index * 2 * half
  for (let done = 0; done < request.count; done++)
    physical.copyFrame(first + (done % half), first + half + (done % half))
  return request.count
}

/** Each load says where the next is, so that they cannot overlap. */
function chase({ circle, control, count }: TaskRequest): number {
  const words = circle!
  let at = 0
  for (let done = 0; done < count; done++) at = words[at]!
  // What is used is not left out by the engine.
  Atomics.store(control, TARGET, at)
  return count
}

/** Two threads wake each other by turns, each of which sleeps meanwhile: one way. */
function handOff({ control, index, count }: TaskRequest): number {
  for (let turn = index; turn < count; turn += 2) {
    for (;;) {
      const now = Atomics.load(control, TURN)
      if (now === turn) break
      Atomics.wait(control, TURN, now, 1000)
    }
    Atomics.store(control, TURN, turn + 1)
    Atomics.notify(control, TURN, 1)
  }
  return count
}

/** Arithmetic that depends on itself, with some that does not: what two threads of a core share. */
function compute({ control, count }: TaskRequest): number {
  let [a, b, c] = [1, 2, 3]
  for (let turn = 0; turn < count; turn++) {
    a = (Math.imul(a, 1_664_525) + 1) | 0
    b = (Math.imul(b, 22_695_477) + 1) | 0
    c = (c + (a ^ b)) | 0
  }
  Atomics.store(control, TARGET + 1, a ^ b ^ c)
  return count
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
