// What an exploration has seen: which places of the source come to the same memory in two threads, and in which order.
//
// In an exploration that is complete, two places that are never in the other order are in this one because the program
// says so: by a lock, a flag, or a value on which one of them depends. In one that is not, the other order may be among
// what was not explored. (Synchronisation coverage after Bron, Farchi, Magid, Nir, Ur: Applications of synchronization
// coverage, PPoPP 2005.)

import type { Site } from '../backends/stepped/index.ts'
import { QUEUES, READS, UPDATES, WRITES } from './operation-modes.ts'
import type { Shadow } from './shadow.ts'

export interface CoveredPlace {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  readonly source: string
}

interface Order {
  readonly first: CoveredPlace
  readonly second: CoveredPlace
}

/** Of all executions together. */
export interface CoverageResult {
  /** Pairs of lines that came to the same memory in two threads, at least one of them to change it. */
  readonly pairs: number
  /** Those that were in one order only. */
  readonly oneOrder: readonly Order[]
  /** Calls of `Atomics` in functions that threads have entered, to which none has come. */
  readonly unreached: readonly CoveredPlace[]
}

/** What is new since it was last asked for. Plain data. */
export interface CoverageNews {
  readonly reached: readonly number[]
  /** The first place, and the second, of one pair after the other. */
  readonly orders: readonly number[]
  /** Places that have their numbers only since the program runs, in the order in which it came to them. */
  readonly places: readonly Site[]
}

/** How the places of its operations begin. */
const ATOMICS = 'Atomics.'
/** More than any mode of operation-modes.ts. */
const MODES = 128
/** More than any place, with a mode. */
const ENTRIES = 2 ** 28

/**
 * Who came to a cell is remembered in the shadow, which takes it back where an execution is: for each thread the number
 * of a set of entries, each a place and what was done there.
 */
export class Coverage {
  readonly #reached = new Set<number>()
  readonly #orders = new Set<number>()
  readonly #sets: (readonly number[])[] = [[]]
  readonly #numbers = new Map<string, number>()
  /** For a set and an entry: the set with it. */
  readonly #with = new Map<number, number>()
  /** A set and an entry, met after it. */
  readonly #met = new Set<number>()
  #news: { reached: number[]; orders: number[] } = { reached: [], orders: [] }
  /** Of the program; those from #fixed on are of its run. */
  readonly #sites: Site[]
  readonly #fixed: number

  constructor(sites: Site[]) {
    this.#sites = sites
    this.#fixed = sites.length
  }

  reach(site: number): void {
    if (this.#reached.has(site)) return
    this.#reached.add(site)
    this.#news.reached.push(site)
  }

  /** A thread comes to cells, and does to them what `mode` says. */
  meet(shadow: Shadow, thread: number, first: number, cells: number, site: number, mode: number): void {
    this.reach(site)
    const entry = site * MODES + mode
    for (let cell = first; cell < first + cells; cell++) {
      const from = (cell + 1) * shadow.stride - shadow.threads
      for (let other = 0; other < shadow.threads; other++) {
        const set = shadow.words[from + other]!
        if (other !== thread && set !== 0) this.#meetSet(set, entry)
      }
      const own = shadow.words[from + thread]!
      const next = this.#including(own, entry)
      if (next !== own) shadow.set(from + thread, next)
    }
  }

  #meetSet(set: number, entry: number): void {
    const key = set * ENTRIES + entry
    if (this.#met.has(key)) return
    this.#met.add(key)
    const second = Math.floor(entry / MODES)
    for (const earlier of this.#sets[set]!) {
      const first = Math.floor(earlier / MODES)
      if (first !== second && isConflict(earlier % MODES, entry % MODES)) this.#order(first, second)
    }
  }

  #order(first: number, second: number): void {
    const key = first * ENTRIES + second
    if (this.#orders.has(key)) return
    this.#orders.add(key)
    this.#news.orders.push(first, second)
  }

  #including(set: number, entry: number): number {
    const key = set * ENTRIES + entry
    const known = this.#with.get(key)
    if (known !== undefined) return known
    const entries = [...new Set([...this.#sets[set]!, entry])].toSorted((one, other) => one - other)
    const name = entries.join()
    const number = this.#numbers.get(name) ?? this.#sets.push(entries) - 1
    this.#numbers.set(name, number)
    this.#with.set(key, number)
    return number
  }

  takeNews(): CoverageNews {
    const news = this.#news
    this.#news = { reached: [], orders: [] }
    return { ...news, places: this.#sites.slice(this.#fixed) }
  }

  /** Takes over what another one, of the same program, has seen. */
  add({ reached, orders, places }: CoverageNews): void {
    const numbers = places.map((place) => this.#numberOf(place))
    const own = (site: number): number => numbers[site - this.#fixed] ?? site
    for (const site of reached) this.reach(own(site))
    for (let at = 0; at < orders.length; at += 2) this.#order(own(orders[at]!), own(orders[at + 1]!))
  }

  #numberOf({ file, line, what, ...rest }: Site): number {
    const known = this.#sites.findIndex(
      (site) => site.file === file && site.line === line && site.what === what,
    )
    return known >= 0 ? known : this.#sites.push({ file, line, what, ...rest }) - 1
  }

  /** Of the files that are to be told of. */
  result(isTold: (file: string) => boolean): CoverageResult {
    const placeOf = (number: number): CoveredPlace | null => {
      const { file, line, column, source } = this.#sites[number]!
      return isTold(file) ? { file, line, column, source } : null
    }
    const orders = new Map<string, Order>()
    for (const key of this.#orders) {
      const [first, second] = [placeOf(Math.floor(key / ENTRIES)), placeOf(key % ENTRIES)]
      if (first === null || second === null || byPlace(first, second) === 0) continue
      const lines = linesOf(first, second)
      if (!orders.has(lines)) orders.set(lines, { first, second })
    }
    const oneOrder = [...orders.values()].filter(({ first, second }) => !orders.has(linesOf(second, first)))
    return {
      pairs: (orders.size + oneOrder.length) / 2,
      oneOrder: oneOrder.toSorted((a, b) => byPlace(a.first, b.first) || byPlace(a.second, b.second)),
      unreached: this.#unreached()
        .flatMap((number) => placeOf(number) ?? [])
        .toSorted(byPlace),
    }
  }

  #unreached(): number[] {
    const entered = new Set([...this.#reached].map((site) => bodyOf(this.#sites[site]!)))
    return [...this.#sites.keys()].filter((number) => {
      const site = this.#sites[number]!
      const isOperation = site.what.startsWith(ATOMICS) && site.what.slice(ATOMICS.length) in Atomics
      return isOperation && !this.#reached.has(number) && entered.has(bodyOf(site))
    })
  }
}

/** The function that it is in. */
function bodyOf({ file, body }: Site): string {
  return `${file}\n${body}`
}

function isConflict(one: number, other: number): boolean {
  if ((one & other & UPDATES) !== 0) return false
  if ((one & other & QUEUES) !== 0) return true
  const change = (one | other) & WRITES
  return change !== 0 && (one & (READS | WRITES)) !== 0 && (other & (READS | WRITES)) !== 0
}

/** What is one pair: lines, or places within one line. */
function linesOf(first: CoveredPlace, second: CoveredPlace): string {
  const isOneLine = first.file === second.file && first.line === second.line
  return [first, second]
    .map(({ file, line, column }) => [file, line, isOneLine ? column : ''].join('\n'))
    .join('\n\n')
}

function byPlace(one: CoveredPlace, other: CoveredPlace): number {
  if (one.file !== other.file) return one.file < other.file ? -1 : 1
  return one.line - other.line || one.column - other.column
}
