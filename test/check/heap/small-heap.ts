// A heap small enough to be explored: the algorithm of src/backends/threads/heap-core.ts over plain shared memory.

import assert from 'node:assert/strict'
import { HeapCore, NO_ROOM } from '../../../src/backends/threads/heap-core.ts'
import {
  Common,
  HeapLayout,
  KIND_BITS,
  KIND_MASK,
  SPAN_FREE,
  SPAN_LARGE,
  SPAN_OWNED,
  SPAN_SMALL,
} from '../../../src/backends/threads/heap-layout.ts'
import type { HeapWords } from '../../../src/backends/threads/heap-lock.ts'

/** A thread ends here. */
class Ended extends Error {}

/** Words in shared memory, for one thread. Once it is to end, it has no further access. */
class SharedWords implements HeapWords {
  readonly cells: Uint32Array
  readonly #waits: Int32Array
  readonly #ends: Int32Array | null

  readonly #timesOut: boolean

  /** @param ends where another thread says that this one is to end; null if none does */
  constructor(memory: SharedArrayBuffer, ends: Int32Array | null, timesOut: boolean) {
    this.#timesOut = timesOut
    this.cells = new Uint32Array(memory)
    this.#waits = new Int32Array(memory)
    this.#ends = ends
  }

  #step(): void {
    if (this.#ends !== null && Atomics.load(this.#ends, 0) !== 0) throw new Ended()
  }

  get(word: number): number {
    this.#step()
    return this.cells[word]!
  }

  set(word: number, value: number): void {
    this.#step()
    // As the memory of an address space has it.
    if (!(value >= 0 && value < 2 ** 32)) throw new RangeError(`word ${word} is set to ${value}`)
    this.cells[word] = value
  }

  load(word: number): number {
    this.#step()
    return Atomics.load(this.cells, word)
  }

  store(word: number, value: number): void {
    this.#step()
    Atomics.store(this.cells, word, value)
  }

  and(word: number, value: number): number {
    this.#step()
    return Atomics.and(this.cells, word, value)
  }

  or(word: number, value: number): number {
    this.#step()
    return Atomics.or(this.cells, word, value)
  }

  exchange(word: number, value: number): number {
    this.#step()
    return Atomics.exchange(this.cells, word, value)
  }

  compareExchange(word: number, expected: number, value: number): number {
    this.#step()
    return Atomics.compareExchange(this.cells, word, expected, value)
  }

  wait(word: number, expected: number, timeout: number): void {
    this.#step()
    // No time-out is worth being explored where no thread ends.
    Atomics.wait(this.#waits, word, expected | 0, this.#timesOut ? timeout : Infinity)
  }

  notify(word: number): void {
    this.#step()
    Atomics.notify(this.#waits, word, 1)
  }
}

/** Blocks of a quarter of a span, and of half of one. */
const SIZES = [16, 32]
export const QUARTER = 0
export const HALF = 1
export const SPAN = 64
const CPUS = 2

export class SmallHeap {
  readonly memory: SharedArrayBuffer
  readonly layout: HeapLayout
  readonly cores: readonly HeapCore[]
  /** What each thread has, in the order in which it got it. */
  readonly blocks: readonly number[][] = [[], [], []]
  /** Whether the thread of CPU 0 is to end, and whether it has. */
  readonly ends = new Int32Array(new SharedArrayBuffer(8))
  readonly #mortal: boolean

  /** @param mortal whether the thread of CPU 0 may be made to end */
  constructor(spans: number, mortal = false, retain = 1) {
    this.#mortal = mortal
    this.layout = new HeapLayout({ spanBytes: SPAN, sizes: SIZES, spans, cpus: CPUS })
    this.memory = new SharedArrayBuffer(4 * this.layout.words)
    this.cores = [0, 1, 0].map((cpu, thread) =>
      this.#open(cpu, thread + 1, 1, mortal && thread === 0, retain),
    )
  }

  #open(cpu: number, own: number, home: number, mortal: boolean, retain: number): HeapCore {
    const isGone = (holder: number): boolean =>
      home !== 1 || (holder === 1 && Atomics.load(this.ends, 1) !== 0)
    const host = { cpu, home, own, isGone, grow: () => true, discard() {} }
    const core = new HeapCore(
      new SharedWords(this.memory, mortal ? this.ends : null, this.#mortal),
      this.layout,
      host,
      retain,
    )
    core.open()
    return core
  }

  /** What the thread of CPU 0 does until it is made to end. */
  untilEnded(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof Ended)) throw error
      Atomics.store(this.ends, 1, 1)
    }
  }

  end(): void {
    Atomics.store(this.ends, 0, 1)
  }

  /** Allocates for a thread, and remembers it. */
  take(thread: number, size: number): void {
    this.#note(thread, this.cores[thread]!.allocateSmall(size))
  }

  takeSpans(thread: number, count: number): void {
    this.#note(thread, this.cores[thread]!.allocateLarge(count))
  }

  #note(thread: number, place: number): void {
    if (place !== NO_ROOM) this.blocks[thread]!.push(place)
  }

  /** Frees what another thread has. */
  free(thread: number, place: number): void {
    assert.equal(this.cores[thread]!.free(place), null)
  }

  /**
   * For the end: no block is two, all those that are not `held` can be had again, and every word is what it has to be.
   * With `lost`, so many more may be taken: a thread has ended before it could say so.
   */
  check(held: readonly number[], lost = 0): void {
    assert.equal(new Set(held).size, held.length)
    const core = this.cores[1]!
    // What was not told to others is found when nothing else is left.
    const rest: number[] = []
    if (lost > 0) for (let place = 0; (place = core.allocateLarge(1)) !== NO_ROOM;) rest.push(place)
    this.#consistent()
    for (const place of rest) assert.equal(core.free(place), null)
    for (const place of held) assert.equal(typeof core.sizeAt(place), 'number', `the block at ${place}`)
    const { blocks } = core.count()
    assert.ok(blocks >= held.length && blocks <= held.length + lost, `${blocks} blocks, ${held.length} held`)
    this.#consistent()
    for (const place of held) assert.equal(core.free(place), null)
    // What a fork has is the same, and CPUs have nothing there.
    const fork = this.#open(1, 1, 2, false, 1)
    this.#consistent()
    const { mapped, free, blocks: left } = fork.count()
    assert.equal(left, blocks - held.length)
    if (lost === 0) assert.equal(free, mapped, 'all spans are free')
  }

  /** Sets and owners are what follows from what spans are, where no change was broken off. */
  #consistent(): void {
    const { layout } = this
    const words = new Uint32Array(this.memory)
    const has = (set: number, span: number): boolean =>
      ((words[layout.setAt(set, span)]! >>> (span & 31)) & 1) !== 0
    let kept = 0
    let large = 0
    for (let span = 0; span < words[Common.mapped]!; span++) {
      const state = words[layout.stateAt(span)]!
      const kind = state & KIND_MASK
      if (kind === SPAN_LARGE) large = state >>> KIND_BITS
      assert.equal(has(layout.freeSet, span), kind === SPAN_FREE && large === 0, `span ${span} is free`)
      if (has(layout.keptSet, span)) kept++
      for (const [size] of SIZES.entries()) {
        const owners = Array.from({ length: CPUS }, (_, cpu) => words[layout.cacheAt(cpu, size)])
        const owned = owners.filter((each) => each === span + 1).length
        const isOne = kind === SPAN_SMALL && state >>> 3 === size
        const free = isOne && words[layout.bitmapAt(span)] !== 0
        assert.ok(owned <= 1 && (owned === 0 || isOne), `span ${span} has ${owned} owners`)
        if (isOne) assert.equal((state & SPAN_OWNED) !== 0, owned === 1, `span ${span} is owned`)
        assert.equal(has(size, span), free && owned === 0, `span ${span} is in the set of size ${size}`)
        if (free && owned === 0)
          assert.notEqual(words[layout.bitmapAt(span)], layout.maskOf(size, 0), `span ${span} is in use`)
      }
      if (large > 0) large--
    }
    assert.equal(words[Common.retained], kept, 'free spans in memory')
  }
}
