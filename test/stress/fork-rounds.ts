// Rounds in which every thread forks the space that all of them write to, and looks at what its copy holds.
//
// A store that a copy does not have comes after the fork: whoever makes it has faulted and waited until the fork was
// over. So a copy has of each thread all stores up to some moment and none behind it, and what one thread stores after
// it saw what another stored is never there without that. It stays as it is, whatever is written to the space or to
// other copies (races R1 and R2).

import { type AddressSpace, OutOfMemory, SegmentationFault } from '../../src/memory.ts'
import { PAGE_SIZE } from '../reference/model.ts'
import { Divergence } from '../reference/operations.ts'
import type { Random } from '../reference/random.ts'
import { initialByte, WORDS_FILE } from './rounds.ts'

/** Anonymous pages, then private pages of a file; both hold the threads' stamps. */
const ANONYMOUS_PAGES = 20
const STAMPED_PAGES = 26
/** Behind a page that is not there: two pages with the two words of each pair. */
const PAIRS_FIRST = 28
const PAIRS = 4
const SHARED_PAGE = 31
const MISSING_PAGE = 33
const WIPED_PAGE = 34
export const FORK_PAGES = 36

/** Shared words: the lock of the pairs, and how often one was written. */
const LOCK = 0
const SEQUENCE = 1
export const FORK_WORDS = 2

/** What a thread may hold at a time. */
const COPIES = 2
const CONSTANT = 7

/** Maps what a round works at. */
export function prepareForkRound(space: AddressSpace, arena: number, file: ForkFile): void {
  const at = (page: number): number => arena + page * PAGE_SIZE
  const map = (page: number, pages: number, options: Parameters<AddressSpace['mmap']>[1]): number =>
    space.mmap(pages * PAGE_SIZE, { address: at(page), fixed: true, ...options })
  map(0, ANONYMOUS_PAGES, {})
  map(ANONYMOUS_PAGES, STAMPED_PAGES - ANONYMOUS_PAGES, { file, offset: ANONYMOUS_PAGES * PAGE_SIZE })
  map(PAIRS_FIRST, 2, {})
  map(SHARED_PAGE, 1, { shared: true })
  map(MISSING_PAGE, 2, {})
  space.writeUint32(at(MISSING_PAGE), CONSTANT)
  space.writeUint32(at(WIPED_PAGE), CONSTANT)
  space.madvise(at(MISSING_PAGE), PAGE_SIZE, 'dontfork')
  space.madvise(at(WIPED_PAGE), PAGE_SIZE, 'wipeonfork')
}

type ForkFile = NonNullable<NonNullable<Parameters<AddressSpace['mmap']>[1]>['file']>

export interface ForkRound {
  readonly thread: number
  readonly threads: number
  readonly arena: number
  /** Pages of this thread's own, which nobody looks at. */
  readonly scratch: number
  readonly seed: number
  readonly shared: Int32Array
  readonly random: Random
  /** The space as this thread has it; it may change when the thread takes another CPU. */
  space(): AddressSpace
}

interface Copy {
  readonly space: AddressSpace
  /** What every stamp in it is, by page and thread. */
  readonly stamps: number[][]
}

/** The page that a thread writes its stamp number `stamp` to. */
function stampPage(seed: number, thread: number, stamp: number): number {
  let hash = Math.imul(seed ^ Math.imul(thread + 1, 0x9e3779b1) ^ stamp, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % STAMPED_PAGES
}

function initialStamp(page: number, thread: number): number {
  if (page < ANONYMOUS_PAGES) return 0
  let value = 0
  const at = page * PAGE_SIZE + thread * 4
  for (let byte = 3; byte >= 0; byte--) value = value * 256 + initialByte(WORDS_FILE, at + byte)
  return value
}

/** One thread's part of a round. */
export class Forker {
  readonly #round: ForkRound
  readonly #held: number[]
  readonly #copies: Copy[] = []
  #stamp = 0
  #outOfMemory = 0

  constructor(round: ForkRound) {
    this.#round = round
    this.#held = Array.from({ length: STAMPED_PAGES }, (_, page) => initialStamp(page, round.thread))
  }

  get outOfMemory(): number {
    return this.#outOfMemory
  }

  step(): void {
    const { random } = this.#round
    const kind = random.weighted({
      stamp: 40,
      pair: 14,
      read: 16,
      fork: 6,
      drop: 5,
      scribble: 5,
      stir: 6,
      save: 3,
    })
    const copy = this.#copies.length === 0 ? null : random.pick(this.#copies)
    switch (kind) {
      case 'stamp':
        for (let count = 1 + random.below(6); count > 0; count--) this.#writeStamp()
        break
      case 'pair':
        this.#writePair()
        break
      case 'read':
        this.#readOwn(random.below(STAMPED_PAGES))
        break
      case 'fork':
        if (this.#copies.length < COPIES) this.#fork(copy !== null && random.oneIn(3) ? copy : null)
        break
      case 'drop':
        if (copy !== null) this.#drop(copy)
        break
      case 'scribble':
        if (copy !== null) this.#scribble(copy)
        break
      case 'stir':
        this.#stir()
        break
      case 'save':
        this.#save()
        break
    }
  }

  end(): void {
    while (this.#copies.length > 0) this.#drop(this.#copies[0]!)
    for (let page = 0; page < STAMPED_PAGES; page++) this.#readOwn(page)
  }

  #at(page: number, word: number): number {
    return this.#round.arena + page * PAGE_SIZE + word * 4
  }

  #expect(what: string, address: number, expected: number | string, got: number | string): void {
    if (got === expected) return
    throw new Divergence(`forks round: ${what}`, address, String(expected), String(got))
  }

  #writeStamp(): void {
    const { seed, thread } = this.#round
    const page = stampPage(seed, thread, ++this.#stamp)
    this.#round.space().writeUint32(this.#at(page, thread), this.#stamp)
    this.#held[page] = this.#stamp
  }

  #readOwn(page: number): void {
    const address = this.#at(page, this.#round.thread)
    this.#expect(
      'own stamp in the space',
      address,
      this.#held[page]!,
      this.#round.space().readUint32(address),
    )
  }

  /** Two words in two pages, one after the other, under a lock of the program's own, which a fork does not take. */
  #writePair(): void {
    const { shared } = this.#round
    while (Atomics.compareExchange(shared, LOCK, 0, 1) !== 0) Atomics.wait(shared, LOCK, 1)
    const sequence = ++shared[SEQUENCE]!
    const space = this.#round.space()
    for (const page of [PAIRS_FIRST, PAIRS_FIRST + 1])
      space.writeUint32(this.#at(page, sequence % PAIRS), sequence)
    Atomics.store(shared, LOCK, 0)
    Atomics.notify(shared, LOCK)
  }

  /** A copy of the space, or of a copy, which then has to hold the same. */
  #fork(of: Copy | null): void {
    let space: AddressSpace
    try {
      space = (of?.space ?? this.#round.space()).fork()
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error
      this.#outOfMemory++
      return
    }
    const copy = { space, stamps: this.#stampsOf(space) }
    this.#copies.push(copy)
    if (of !== null) {
      this.#compare('a copy of a copy', copy, of.stamps)
      return
    }
    for (let thread = 0; thread < this.#round.threads; thread++) this.#checkStamps(copy, thread)
    this.#checkPairs(space)
    this.#checkRest(space)
  }

  #stampsOf(space: AddressSpace): number[][] {
    return Array.from({ length: STAMPED_PAGES }, (_, page) =>
      Array.from({ length: this.#round.threads }, (__, thread) => space.readUint32(this.#at(page, thread))),
    )
  }

  /** The thread's stores up to the last that is there, and none behind it; of this thread, all. */
  #checkStamps({ stamps }: Copy, thread: number): void {
    const { seed } = this.#round
    const own = thread === this.#round.thread
    const seen = stamps.map((words) => words[thread]!)
    const written = seen.filter((stamp, page) => stamp !== initialStamp(page, thread))
    const last = own ? this.#stamp : Math.max(0, ...written)
    const open = new Set(seen.keys())
    for (let stamp = last; stamp > 0 && open.size > 0; stamp--) {
      const page = stampPage(seed, thread, stamp)
      if (!open.delete(page)) continue
      const what = `stamp of thread ${thread} in a copy that has its stamps up to ${last}`
      this.#expect(what, this.#at(page, thread), stamp, seen[page]!)
    }
    for (const page of open)
      this.#expect('word never stored', this.#at(page, thread), initialStamp(page, thread), seen[page]!)
  }

  /** Pairs are written in turn: those before the last are whole, and of the last at most the second is missing. */
  #checkPairs(space: AddressSpace): void {
    const words = [0, 1].map((which) =>
      Array.from({ length: PAIRS }, (_, pair) => space.readUint32(this.#at(PAIRS_FIRST + which, pair))),
    )
    const last = Math.max(...words[0]!)
    for (let sequence = Math.max(0, last - PAIRS + 1); sequence <= last; sequence++) {
      const pair = sequence % PAIRS
      const address = this.#at(PAIRS_FIRST, pair)
      this.#expect(`first of pair ${pair} of ${last}`, address, sequence, words[0]![pair]!)
      const second = words[1]![pair]!
      const before = sequence === last ? Math.max(0, last - PAIRS) : sequence
      if (second !== before) this.#expect(`second of pair ${pair} of ${last}`, address, sequence, second)
    }
  }

  /** What advice says of the copy, and that shared memory is shared. */
  #checkRest(space: AddressSpace): void {
    const missing = this.#at(MISSING_PAGE, 0)
    let found = 'nothing'
    try {
      found = String(space.readUint32(missing))
    } catch (error) {
      if (!(error instanceof SegmentationFault)) throw error
    }
    this.#expect('a page that is not inherited', missing, 'nothing', found)
    const wiped = this.#at(WIPED_PAGE, 0)
    this.#expect('a page that is wiped', wiped, 0, space.readUint32(wiped))
    this.#expect('the same in the space', wiped, CONSTANT, this.#round.space().readUint32(wiped))
    const shared = this.#at(SHARED_PAGE, this.#round.thread)
    const value = this.#round.random.next()
    space.writeUint32(shared, value)
    this.#expect('shared memory', shared, value, this.#round.space().readUint32(shared))
  }

  #compare(what: string, { space, stamps }: Copy, expected: number[][]): void {
    for (const [page, words] of stamps.entries()) {
      for (const [thread, stamp] of words.entries()) {
        const address = this.#at(page, thread)
        this.#expect(what, address, expected[page]![thread]!, stamp)
        this.#expect(`${what}, later`, address, stamp, space.readUint32(address))
      }
    }
  }

  #drop(copy: Copy): void {
    this.#compare('a copy', copy, copy.stamps)
    copy.space.destroy()
    this.#copies.splice(this.#copies.indexOf(copy), 1)
  }

  /** Writes to a copy, to the word of any thread, which nobody else may see. */
  #scribble(copy: Copy): void {
    const { random, threads } = this.#round
    const page = random.below(STAMPED_PAGES)
    const thread = random.below(threads)
    const value = random.next()
    copy.space.writeUint32(this.#at(page, thread), value)
    copy.stamps[page]![thread] = value
  }

  /** A snapshot while all write, from the one before and what has changed since. */
  #save(): void {
    try {
      using before = this.#round.space().snapshot()
      for (let count = this.#round.random.below(6); count > 0; count--) this.#writeStamp()
      using after = this.#round.space().snapshot()
      const start = this.#at(0, 0)
      const image = before.read(start, STAMPED_PAGES * PAGE_SIZE)
      for (const { address, length } of after.dirtyRanges(before))
        if (address < this.#at(STAMPED_PAGES, 0)) image.set(after.read(address, length), address - start)
      const order = Buffer.compare(image, after.read(start, image.length))
      this.#expect('a snapshot made of the one before', start, 0, order)
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error
      this.#outOfMemory++
    }
  }

  /** Something for a fork to copy, or to wait for, whose content does not matter. */
  #stir(): void {
    const { random, scratch } = this.#round
    const space = this.#round.space()
    const pages = 1 + random.below(8)
    const address = scratch + random.below(8) * PAGE_SIZE
    space.mmap(pages * PAGE_SIZE, { address, fixed: true, shared: random.oneIn(4) })
    space.fill(address, pages * PAGE_SIZE, random.below(256))
    if (random.oneIn(2)) space.mprotect(address, PAGE_SIZE, 'r')
    if (random.oneIn(3)) space.madvise(address, pages * PAGE_SIZE, 'dontneed')
    if (random.oneIn(3)) space.munmap(address, pages * PAGE_SIZE)
  }
}
