// The algorithm of a heap, over words that threads share.
//
// It is that of Mesh (Powers, Tench, Berger, McGregor, "Mesh: Compacting Memory Management for C/C++ Applications",
// PLDI 2019) without the meshing. Memory is cut into spans. A span of small blocks has blocks of one size, and a bitmap
// of those that are free. A CPU has one span for each size, from which only its thread takes blocks, without a lock (as
// in the per-CPU caches of Go's runtime); a thread that frees a block sets its bit. A span changes its use only under
// the lock.
//
// What holds at every moment, so that a thread may end anywhere, and a fork may be made anywhere:
//
// - a block of a small span is taken exactly when its bit is clear; a single operation takes or frees it;
// - the state of a span says what it is. The state of the first span of a large block decides; a SPAN_TAIL behind no
//   such span is free;
// - a span is owned by the CPU in whose cache it is. Its owned bit is for threads that free blocks;
// - a set contains only spans that belong there: a span leaves its set before it changes, and enters another
//   afterwards;
// - as many spans are counted as kept in memory as there are in their set, or more: a span is counted before it enters
//   the set, and leaves it first.
//
// So if a thread ends, at worst a span is in no set. Before an allocation fails, the sets are rebuilt from the states
// of the spans.
//
// A span without an owner that has free blocks is in the set of its size. A thread that frees the first block of a word
// of the bitmap ensures that; if another thread gives the span up at the same time, the later of the two sees what the
// other did.

import {
  CLASS_BITS,
  Common,
  Fixed,
  type HeapLayout,
  KIND_BITS,
  KIND_MASK,
  SPAN_FREE,
  SPAN_LARGE,
  SPAN_OWNED,
  SPAN_SMALL,
  SPAN_TAIL,
} from './heap-layout.ts'
import { HeapLock, type HeapWords, type LockHolders } from './heap-lock.ts'

/** What a heap needs of the thread that uses it, and of the memory that it is in. */
export interface HeapHost extends LockHolders {
  readonly cpu: number
  /** Which address space this is: 1 to 2^32 - 1. */
  readonly home: number
  /** Makes spans usable; may be called again for the same. Returns false if that is not possible. */
  grow(span: number, count: number): boolean
  /** Discards the memory of these spans. */
  discard(span: number, count: number): void
}

/** How many spans are made usable at a time, if there are so many. */
const GROWTH = 16

/** Why a block is not freed. */
export type Refusal = 'free' | 'inside' | 'foreign'

/** No room. */
export const NO_ROOM = -1

export interface HeapCount {
  /** Spans that are usable, and those of them that are free. */
  readonly mapped: number
  readonly free: number
  readonly blocks: number
  /** Their bytes after rounding up. */
  readonly bytes: number
}

export class HeapCore {
  readonly #words: HeapWords
  readonly #layout: HeapLayout
  readonly #host: HeapHost
  readonly #lock: HeapLock
  readonly #retain: number
  /** A word of the bitmap of the span from which this thread takes blocks of a size: some of its free blocks. */
  readonly #spans: Int32Array
  readonly #places: Int32Array
  readonly #bits: Uint32Array

  /** @param retain how many free spans may stay in memory */
  constructor(words: HeapWords, layout: HeapLayout, host: HeapHost, retain: number) {
    this.#words = words
    this.#layout = layout
    this.#host = host
    this.#lock = new HeapLock(words, Fixed.lock, host)
    this.#retain = retain
    this.#spans = new Int32Array(layout.classes).fill(-1)
    this.#places = new Int32Array(layout.classes)
    this.#bits = new Uint32Array(layout.classes)
  }

  /**
   * Makes the heap usable by this thread. Repairs the state that a fork has copied: no thread is at work in it, and
   * CPUs have no spans.
   */
  open(): void {
    this.#locked(() => {
      if (this.#words.get(Common.home) === this.#host.home) return
      const { cpus } = this.#layout.shape
      for (let cpu = 0; cpu < cpus; cpu++)
        for (let size = 0; size < this.#layout.classes; size++) this.#setCache(cpu, size, 0)
      this.#rebuild()
      this.#words.set(Common.home, this.#host.home)
    })
  }

  /** A small block, as its place among the bytes of all spans; or NO_ROOM. */
  allocateSmall(size: number): number {
    for (;;) {
      while (this.#bits[size] !== 0) {
        const bits = this.#bits[size]!
        const bit = (bits & -bits) >>> 0
        this.#bits[size] = bits ^ bit
        if ((this.#words.and(this.#places[size]!, ~bit >>> 0) & bit) === 0) continue
        const index = this.#places[size]! - this.#layout.bitmapAt(this.#spans[size]!)
        return this.#placeOf(this.#spans[size]!, size, 32 * index + 31 - Math.clz32(bit))
      }
      if (!this.#nextWord(size) && !this.#refill(size)) return NO_ROOM
    }
  }

  /** A block of whole spans, likewise. */
  allocateLarge(count: number): number {
    return this.#locked(() => {
      const span = this.#found(() => this.#takeSpans(count))
      if (span < 0) return NO_ROOM
      for (let tail = span + count - 1; tail > span; tail--) this.#setState(tail, SPAN_TAIL)
      this.#setState(span, (count << KIND_BITS) | SPAN_LARGE)
      return span * this.#layout.shape.spanBytes
    })
  }

  /** Frees the block at `place`. Returns why not, or null. */
  free(place: number): Refusal | null {
    const { spanBytes, sizes } = this.#layout.shape
    const span = this.#spanAt(place)
    if (span < 0) return 'foreign'
    const state = this.#words.load(this.#layout.stateAt(span))
    const kind = state & KIND_MASK
    if (kind === SPAN_LARGE) return this.#freeLarge(span, place)
    if (kind !== SPAN_SMALL) return kind === SPAN_TAIL ? 'inside' : 'free'
    const size = classOf(state)
    const slot = (place - span * spanBytes) / sizes[size]!
    if (!Number.isInteger(slot) || slot >= this.#layout.slotsOf(size)) return 'inside'
    const index = slot >>> 5
    const at = this.#layout.bitmapAt(span) + index
    const bit = (1 << (slot & 31)) >>> 0
    const before = this.#words.or(at, bit)
    if ((before & bit) !== 0) return 'free'
    if (this.#spans[size] === span) this.#remember(size, at, bit)
    else this.#afterFree(span, size, before, (before | bit) >>> 0 === this.#layout.maskOf(size, index))
    return null
  }

  /** Bytes of the block at `place`, or why it is none. */
  sizeAt(place: number): number | Refusal {
    const { spanBytes, sizes } = this.#layout.shape
    const span = this.#spanAt(place)
    if (span < 0) return 'foreign'
    const state = this.#words.load(this.#layout.stateAt(span))
    const kind = state & KIND_MASK
    if (kind === SPAN_LARGE) return place === span * spanBytes ? (state >>> KIND_BITS) * spanBytes : 'inside'
    if (kind !== SPAN_SMALL) return kind === SPAN_TAIL ? 'inside' : 'free'
    const size = classOf(state)
    const slot = (place - span * spanBytes) / sizes[size]!
    if (!Number.isInteger(slot) || slot >= this.#layout.slotsOf(size)) return 'inside'
    const word = this.#words.load(this.#layout.bitmapAt(span) + (slot >>> 5))
    return ((word >>> (slot & 31)) & 1) === 0 ? sizes[size]! : 'free'
  }

  /** Gives up this CPU's spans, and the memory of all that are free. */
  trim(): void {
    this.#spans.fill(-1)
    this.#bits.fill(0)
    this.#locked(() => {
      for (let size = 0; size < this.#layout.classes; size++) this.#giveUp(size)
      const mapped = this.#words.get(Common.mapped)
      for (let span = 0; span < mapped; span++)
        if (this.#isIn(this.#layout.keptSet, span)) this.#discard(span, 1)
    })
  }

  count(): HeapCount {
    return this.#locked(() => {
      const { spanBytes, sizes } = this.#layout.shape
      const mapped = this.#words.get(Common.mapped)
      let [free, blocks, bytes] = [0, 0, 0]
      for (let span = 0; span < mapped; span++) {
        const state = this.#stateOf(span)
        const kind = state & KIND_MASK
        if (kind === SPAN_FREE) free++
        if (kind === SPAN_LARGE) {
          blocks++
          bytes += (state >>> KIND_BITS) * spanBytes
        }
        if (kind !== SPAN_SMALL) continue
        const taken = this.#layout.slotsOf(classOf(state)) - this.#freeBlocks(span, classOf(state))
        blocks += taken
        bytes += taken * sizes[classOf(state)]!
      }
      return { mapped, free, blocks, bytes }
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Small blocks

  #spanAt(place: number): number {
    const { spanBytes, spans } = this.#layout.shape
    const span = Math.floor(place / spanBytes)
    return span >= 0 && span < spans ? span : -1
  }

  #placeOf(span: number, size: number, slot: number): number {
    const { spanBytes, sizes } = this.#layout.shape
    return span * spanBytes + slot * sizes[size]!
  }

  /** The next word of the bitmap in which a block is free; false at its end, also where this CPU has no span. */
  #nextWord(size: number): boolean {
    const span = this.#spans[size]!
    if (span < 0) return false
    const end = this.#layout.bitmapAt(span) + this.#layout.wordsOf(size)
    for (let at = this.#places[size]! + 1; at < end; at++) {
      const bits = this.#words.load(at)
      if (bits === 0) continue
      this.#places[size] = at
      this.#bits[size] = bits
      return true
    }
    return false
  }

  /** A block of a span that this CPU has is free. It is the next to be taken, since it is in caches. */
  #remember(size: number, at: number, bit: number): void {
    if (this.#places[size] === at) this.#bits[size]! |= bit
  }

  /** Gives up this CPU's span of that size and takes another. Returns false if there is none. */
  #refill(size: number): boolean {
    this.#spans[size] = -1
    const span = this.#locked(() => {
      this.#giveUp(size)
      return this.#found(() => this.#takeSmall(size))
    })
    if (span < 0) return false
    this.#spans[size] = span
    this.#places[size] = this.#layout.bitmapAt(span) - 1
    return true
  }

  /** A span for this CPU, one in use if there is one. */
  #takeSmall(size: number): number {
    let span = this.#firstOf(size)
    if (span < 0) {
      span = this.#takeSpans(1)
      if (span < 0) return NO_ROOM
      const words = this.#layout.wordsOf(size)
      for (let index = 0; index < words; index++)
        this.#words.store(this.#layout.bitmapAt(span) + index, this.#layout.maskOf(size, index))
    } else this.#exclude(size, span)
    this.#setState(span, (size << CLASS_BITS) | SPAN_OWNED | SPAN_SMALL)
    this.#setCache(this.#host.cpu, size, span + 1)
    return span
  }

  #giveUp(size: number): void {
    const cached = this.#words.get(this.#layout.cacheAt(this.#host.cpu, size))
    if (cached === 0) return
    this.#setCache(this.#host.cpu, size, 0)
    this.#setState(cached - 1, (size << CLASS_BITS) | SPAN_SMALL)
    this.#settle(cached - 1)
  }

  /** A block of a span that this CPU does not own was freed. `fills`: all blocks of its word are free now. */
  #afterFree(span: number, size: number, before: number, fills: boolean): void {
    if (before !== 0 && !fills) return
    // A thread that gives the span up from here on sees the freed block.
    if ((this.#words.load(this.#layout.stateAt(span)) & SPAN_OWNED) !== 0) return
    const empties = fills && this.#isAllFree(span, size)
    if (empties) this.#locked(() => this.#settle(span))
    else if (before === 0) this.#locked(() => this.#publish(span, size))
  }

  /**
   * Enters a span without an owner that has a free block into the set of its size, unless it has changed its use by
   * now.
   */
  #publish(span: number, size: number): void {
    if (this.#stateOf(span) !== ((size << CLASS_BITS) | SPAN_SMALL) || this.#isIn(size, span)) return
    const at = this.#layout.bitmapAt(span)
    const end = at + this.#layout.wordsOf(size)
    for (let word = at; word < end; word++)
      if (this.#words.load(word) !== 0) return void this.#include(size, span)
  }

  /**
   * Puts a span of small blocks without an owner where threads find it: makes it free, or enters it into the set of its
   * size.
   */
  #settle(span: number): void {
    const state = this.#stateOf(span)
    if ((state & (KIND_MASK | SPAN_OWNED)) !== SPAN_SMALL) return
    const size = classOf(state)
    const free = this.#freeBlocks(span, size)
    if (free === this.#layout.slotsOf(size)) {
      this.#exclude(size, span)
      this.#setFree(span, 1)
    } else if (free > 0) this.#include(size, span)
  }

  #isAllFree(span: number, size: number): boolean {
    const at = this.#layout.bitmapAt(span)
    const words = this.#layout.wordsOf(size)
    for (let index = 0; index < words; index++)
      if (this.#words.load(at + index) !== this.#layout.maskOf(size, index)) return false
    return true
  }

  #freeBlocks(span: number, size: number): number {
    const at = this.#layout.bitmapAt(span)
    const words = this.#layout.wordsOf(size)
    let free = 0
    for (let index = 0; index < words; index++) free += bitsOf(this.#words.load(at + index))
    return free
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Spans, under the lock

  #freeLarge(span: number, place: number): Refusal | null {
    if (place !== span * this.#layout.shape.spanBytes) return 'inside'
    return this.#locked(() => {
      const state = this.#stateOf(span)
      if ((state & KIND_MASK) !== SPAN_LARGE) return 'free'
      this.#setFree(span, state >>> KIND_BITS)
      return null
    })
  }

  /**
   * What `take` finds. If it finds nothing, rebuilds the sets first, since a thread that has ended may have left a free
   * span in none.
   */
  #found(take: () => number): number {
    const found = take()
    if (found !== NO_ROOM) return found
    this.#rebuild()
    return take()
  }

  /** Takes `count` adjacent free spans out of the sets; or returns NO_ROOM. */
  #takeSpans(count: number): number {
    let span = this.#findRun(count)
    if (span < 0) {
      if (!this.#grow(count)) return NO_ROOM
      span = this.#findRun(count)
    }
    for (let each = span; each < span + count; each++) {
      this.#exclude(this.#layout.freeSet, each)
      if (!this.#isIn(this.#layout.keptSet, each)) continue
      this.#exclude(this.#layout.keptSet, each)
      this.#words.set(Common.retained, this.#words.get(Common.retained) - 1)
    }
    return span
  }

  /** The first run of free spans. */
  #findRun(count: number): number {
    const mapped = this.#words.get(Common.mapped)
    let run = 0
    for (let span = 0; span < mapped;) {
      const bits = this.#words.get(this.#layout.setAt(this.#layout.freeSet, span))
      if (bits === 0) {
        run = 0
        span += 32
        continue
      }
      for (const end = Math.min(span + 32, mapped); span < end; span++) {
        run = ((bits >>> (span & 31)) & 1) === 0 ? 0 : run + 1
        if (run === count) return span - count + 1
      }
    }
    return NO_ROOM
  }

  /** Makes spans usable, so that there is a run of `count`. */
  #grow(count: number): boolean {
    const mapped = this.#words.get(Common.mapped)
    let free = 0
    while (free < mapped && this.#isIn(this.#layout.freeSet, mapped - 1 - free)) free++
    const needed = count - free
    const left = this.#layout.shape.spans - mapped
    if (needed > left) return false
    // More than needed, if possible.
    let growth = Math.min(Math.max(needed, GROWTH), left)
    if (!this.#host.grow(mapped, growth)) {
      if (growth === needed || !this.#host.grow(mapped, needed)) return false
      growth = needed
    }
    for (let span = mapped; span < mapped + growth; span++) this.#include(this.#layout.freeSet, span)
    this.#words.set(Common.mapped, mapped + growth)
    return true
  }

  /** Frees the spans of a block. */
  #setFree(span: number, count: number): void {
    const retained = this.#words.get(Common.retained) + count
    this.#words.set(Common.retained, retained)
    this.#setState(span, SPAN_FREE)
    for (let each = span; each < span + count; each++) {
      if (each > span) this.#setState(each, SPAN_FREE)
      this.#include(this.#layout.freeSet, each)
      this.#include(this.#layout.keptSet, each)
    }
    if (retained > this.#retain) this.#discard(span, count)
  }

  #discard(span: number, count: number): void {
    this.#host.discard(span, count)
    for (let each = span; each < span + count; each++) this.#exclude(this.#layout.keptSet, each)
    this.#words.set(Common.retained, this.#words.get(Common.retained) - count)
  }

  #stateOf(span: number): number {
    return this.#words.load(this.#layout.stateAt(span))
  }

  #setState(span: number, state: number): void {
    this.#words.store(this.#layout.stateAt(span), state)
  }

  #setCache(cpu: number, size: number, value: number): void {
    const at = this.#layout.cacheAt(cpu, size)
    if (this.#words.get(at) !== value) this.#words.set(at, value)
  }

  #isIn(set: number, span: number): boolean {
    return ((this.#words.get(this.#layout.setAt(set, span)) >>> (span & 31)) & 1) !== 0
  }

  #include(set: number, span: number): void {
    const at = this.#layout.setAt(set, span)
    this.#words.set(at, (this.#words.get(at) | (1 << (span & 31))) >>> 0)
  }

  #exclude(set: number, span: number): void {
    const at = this.#layout.setAt(set, span)
    this.#words.set(at, (this.#words.get(at) & ~(1 << (span & 31))) >>> 0)
  }

  #firstOf(set: number): number {
    const mapped = this.#words.get(Common.mapped)
    for (let span = 0; span < mapped; span += 32) {
      const bits = this.#words.get(this.#layout.setAt(set, span))
      if (bits !== 0) return span + 31 - Math.clz32(bits & -bits)
    }
    return NO_ROOM
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The lock, and the repair of what a thread left that ended while it had the lock, or before it took it

  /**
   * Runs `change` with the lock. `change` may throw at any point, which leaves the same state as if its thread had
   * ended there.
   */
  #locked<T>(change: () => T): T {
    this.#lock.take()
    let result: T
    try {
      result = change()
    } catch (error) {
      this.#leaveAfter(error)
    }
    this.#lock.leave()
    return result
  }

  #leaveAfter(error: unknown): never {
    try {
      this.#lock.leave()
    } catch {
      // This thread is being terminated, which other threads notice.
    }
    throw error
  }

  /** Rebuilds the sets from the states of the spans and the caches of the CPUs. */
  #rebuild(): void {
    const layout = this.#layout
    const mapped = this.#words.get(Common.mapped)
    for (let set = 0; set <= layout.keptSet; set++)
      for (let span = 0; span < mapped; span += 32) this.#words.set(layout.setAt(set, span), 0)
    const owned = this.#ownedSpans()
    this.#words.set(Common.retained, mapped)
    let retained = 0
    for (let span = 0; span < mapped;) {
      const state = this.#stateOf(span)
      const kind = state & KIND_MASK
      const length = kind === SPAN_LARGE ? state >>> KIND_BITS : 1
      if (kind === SPAN_SMALL && owned.has(span)) this.#setState(span, state | SPAN_OWNED)
      else if (kind === SPAN_SMALL) this.#setState(span, state & ~SPAN_OWNED)
      else if (kind !== SPAN_LARGE) {
        if (kind === SPAN_TAIL) this.#setState(span, SPAN_FREE)
        this.#include(layout.freeSet, span)
        // Perhaps it is not, which costs a call of discard().
        this.#include(layout.keptSet, span)
        retained++
      }
      span += length
    }
    this.#words.set(Common.retained, retained)
    for (let span = 0; span < mapped; span++) this.#settle(span)
  }

  /** Those in the caches of CPUs. */
  #ownedSpans(): Set<number> {
    const owned = new Set<number>()
    for (let cpu = 0; cpu < this.#layout.shape.cpus; cpu++) {
      for (let size = 0; size < this.#layout.classes; size++) {
        const cached = this.#words.get(this.#layout.cacheAt(cpu, size))
        if (cached !== 0) owned.add(cached - 1)
      }
    }
    return owned
  }
}

function classOf(state: number): number {
  return state >>> CLASS_BITS
}

/** How many bits are set (Hacker's Delight, 5-1). */
function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555)
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}
