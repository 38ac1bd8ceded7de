// One thread of the vma mix under stress: does its part until it is stopped, and checks what it sees at once.

import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, Machine, type Mapping, SegmentationFault } from '../../src/backends/threads/index.ts'
import {
  performVmaMixStep,
  VMA_MIX_BASE as BASE,
  VMA_MIX_PAGES,
  VmaMixThread,
} from '../../src/workloads/vma-mix.ts'
import { PAGE_SIZE } from '../reference/model.ts'
import { Random } from '../reference/random.ts'
import {
  accessors,
  ARRIVED,
  BEGUN,
  encodeTag,
  FAILED,
  firstAccessor,
  type Held,
  layoutProblem,
  LEAST_STEPS,
  roles,
  type RoundMessage,
  SEQUENCES,
  STEPS,
  STOP,
  tagProblem,
  WORD_STRIDE,
  words,
  type WorkerMessage,
} from './vma-round.ts'

const { thread } = workerData as { thread: number }
const role = roles[thread]!
const accessor = thread - firstAccessor

class CheckedThread extends VmaMixThread {
  readonly #number: number
  readonly #shared: Int32Array
  readonly #completed = new Int32Array(accessors)
  /** What this accessor has stored in each page, where it knows that it must still be there unless it was cleared. */
  readonly held: (Held | null)[] = Array.from({ length: VMA_MIX_PAGES }, () => null)

  constructor(space: AddressSpace, number: number, shared: Int32Array, random: Random) {
    super(space, (bound) => random.below(bound))
    this.#number = number
    this.#shared = shared
  }

  override load(page: number): void {
    const place = {
      space: this.#number,
      page,
      accessor: this.below(2) === 0 ? accessor : this.below(accessors),
    }
    const floor = Atomics.load(this.#shared, words.floor(place.space, page, place.accessor))
    const word = this.#access(page, () =>
      this.space.readUint32(this.address(page) + place.accessor * WORD_STRIDE),
    )
    const problem = tagProblem(this.#shared, place, word, floor)
    if (problem !== null) throw new Error(problem)
    const held = this.held[page]
    if (place.accessor !== accessor || !held) return
    // Nothing has begun to clear the page since before the store: it must be there.
    if (Atomics.load(this.#shared, words.clearsBegun(place.space, page)) !== held.clears) return
    if (word !== held.value) {
      throw new Error(
        `space ${place.space}, page ${page}: stored 0x${held.value.toString(16)}, and it holds 0x${word.toString(16)}`,
      )
    }
  }

  /** An access that fails says where it failed. */
  #access<T>(page: number, body: () => T): T {
    try {
      return body()
    } catch (error) {
      if (error instanceof SegmentationFault && Math.floor((error.address - BASE) / PAGE_SIZE) !== page)
        throw new Error(`an access to page ${page} fails at 0x${error.address.toString(16)}`, {
          cause: error,
        })
      throw error
    }
  }

  override store(page: number): void {
    const shared = this.#shared
    const sequence = Atomics.load(shared, words.issued(accessor)) + 1
    if (sequence >= SEQUENCES) return this.load(page)
    const ended = Atomics.load(shared, words.clearsEnded(this.#number, page))
    const clears = Atomics.load(shared, words.clearsBegun(this.#number, page))
    const value = encodeTag({ space: this.#number, page, accessor, sequence })
    Atomics.store(shared, words.issued(accessor), sequence)
    try {
      this.#access(page, () => this.space.writeUint32(this.address(page) + accessor * WORD_STRIDE, value))
      const quiet = clears === ended
      this.held[page] = quiet ? { space: this.#number, page, accessor, value, clears } : null
    } finally {
      Atomics.store(shared, words.completed(accessor), sequence)
    }
  }

  override replace(page: number, call: () => void): void {
    const shared = this.#shared
    for (let other = 0; other < accessors; other++)
      this.#completed[other] = Atomics.load(shared, words.completed(other))
    this.discard(page, 1, call)
    for (let other = 0; other < accessors; other++)
      raise(shared, words.floor(this.#number, page, other), this.#completed[other]!)
  }

  override discard(page: number, pages: number, call: () => void): void {
    const end = Math.min(page + pages, VMA_MIX_PAGES)
    for (let each = page; each < end; each++)
      Atomics.add(this.#shared, words.clearsBegun(this.#number, each), 1)
    try {
      call()
    } finally {
      for (let each = page; each < end; each++)
        Atomics.add(this.#shared, words.clearsEnded(this.#number, each), 1)
    }
  }

  override listed(mappings: readonly Mapping[]): void {
    const problem = layoutProblem(mappings)
    if (problem !== null) throw new Error(`maps: ${problem}`)
  }

  override looked(page: number, resident: readonly boolean[]): void {
    if (resident.length > 0 && page + resident.length > VMA_MIX_PAGES)
      throw new Error(
        `residentPages told of ${resident.length} pages from page ${page} on: not all are mapped`,
      )
  }
}

/** Makes a shared word at least `value`. */
function raise(shared: Int32Array, at: number, value: number): void {
  let seen = Atomics.load(shared, at)
  while (seen < value) {
    const found = Atomics.compareExchange(shared, at, seen, value)
    if (found === seen) return
    seen = found
  }
}

function send(message: WorkerMessage): void {
  parentPort!.postMessage(message)
}

function begin(control: Int32Array): void {
  Atomics.store(control, BEGUN, 1)
  Atomics.notify(control, BEGUN)
}

/** Waits until every thread is here, so that all steps overlap. */
function waitForAll(control: Int32Array): void {
  if (Atomics.add(control, ARRIVED, 1) === roles.length - 1) {
    begin(control)
  } else {
    Atomics.wait(control, BEGUN, 0)
  }
}

function runRound({ machine: handle, spaces, control, shared, seed }: RoundMessage): void {
  let steps = 0
  let refused = 0
  let signals = 0
  try {
    const machine = Machine.attach(handle)
    const random = Random.derive(seed, thread)
    const mine = spaces.map(
      (space, number) => new CheckedThread(AddressSpace.attach(space), number, shared, random),
    )
    waitForAll(control)
    while (
      Atomics.load(control, STOP) === 0 ||
      (steps < LEAST_STEPS && Atomics.load(control, FAILED) === 0)
    ) {
      Atomics.store(control, STEPS + thread, ++steps)
      const end = performVmaMixStep(role, mine[random.below(mine.length)]!)
      if (end === 'refused') refused++
      else if (end === 'signal') signals++
    }
    machine.detach()
    const held = mine.flatMap((each) => each.held.filter((entry) => entry !== null))
    send({ type: 'done', thread, steps, refused, signals, held })
  } catch (error) {
    Atomics.store(control, FAILED, 1)
    Atomics.store(control, STOP, 1)
    begin(control)
    send({ type: 'failed', thread, steps, stack: String((error as Error)?.stack ?? error) })
  }
}

parentPort!.on('message', runRound)
send({ type: 'ready' })
