/**
 * The layout of an address space as the recorded calls made it: which ranges are mapped, how, and to what.
 *
 * Principles: a sorted array of immutable mappings, so that a fork copies references only; neighbours that Linux
 * would merge are merged, so that the array stays as short as /proc/PID/maps was. It tells what the program's
 * addresses meant, and nothing about pages.
 */

export const PAGE_SIZE = 4096

export const PROT_READ = 1
export const PROT_WRITE = 2
export const PROT_EXEC = 4

/** A mapped range. Never changed after creation. */
export interface Mapping {
  /** First address, in bytes; a multiple of the page size. */
  readonly start: number
  /** First address behind it. */
  readonly end: number
  /** PROT_READ | PROT_WRITE | PROT_EXEC */
  readonly protection: number
  readonly shared: boolean
  /** Number of the file in the trace's table, or 0 where there is none. */
  readonly file: number
  /** Offset in the file of `start`, in bytes. */
  readonly offset: number
  readonly growsDown: boolean
  /** A forked process does not get it (MADV_DONTFORK). */
  readonly dontFork?: boolean
}

/**
 * How far a growing stack may reach, in bytes. The program's stack limit is not in the trace (8 MiB is usual), but
 * Linux keeps at least this much free below it.
 */
export const STACK_ROOM = 128 * 1024 * 1024
/** The gap that Linux keeps free below a growing stack, in bytes. */
const STACK_GUARD_GAP = 256 * PAGE_SIZE

function joinable(below: Mapping, above: Mapping): boolean {
  return (
    below.end === above.start &&
    below.protection === above.protection &&
    below.shared === above.shared &&
    below.file === above.file &&
    below.growsDown === above.growsDown &&
    (below.dontFork === true) === (above.dontFork === true) &&
    (below.file === 0 || below.offset + (below.end - below.start) === above.offset)
  )
}

function part(mapping: Mapping, start: number, end: number): Mapping {
  if (start === mapping.start && end === mapping.end) return mapping
  return { ...mapping, start, end, offset: mapping.file === 0 ? 0 : mapping.offset + (start - mapping.start) }
}

export class Layout {
  #mappings: Mapping[]
  /** Where the last search ended: neighbouring addresses come in a row. */
  #last = 0

  constructor(mappings: readonly Mapping[] = []) {
    this.#mappings = mappings.slice()
  }

  get mappings(): readonly Mapping[] {
    return this.#mappings
  }

  /** Index of the first mapping that ends above `address`. */
  #search(address: number): number {
    const mappings = this.#mappings
    const last = this.#last
    if (
      last < mappings.length &&
      mappings[last]!.end > address &&
      (last === 0 || mappings[last - 1]!.end <= address)
    ) {
      return last
    }
    let low = 0
    let high = mappings.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (mappings[middle]!.end > address) high = middle
      else low = middle + 1
    }
    this.#last = low
    return low
  }

  find(address: number): Mapping | undefined {
    const mapping = this.#mappings[this.#search(address)]
    return mapping !== undefined && mapping.start <= address ? mapping : undefined
  }

  /** The growing stack that an access at this unmapped address would extend, as Linux decides it. */
  findGrowing(address: number): Mapping | undefined {
    const at = this.#search(address)
    const above = this.#mappings[at]
    if (above === undefined || !above.growsDown || above.end - address > STACK_ROOM) return undefined
    const below = at === 0 ? undefined : this.#mappings[at - 1]
    const page = address - (address % PAGE_SIZE)
    if (
      below !== undefined &&
      !below.growsDown &&
      below.protection !== 0 &&
      page - below.end < STACK_GUARD_GAP
    )
      return undefined
    return above
  }

  /** The mapped parts of a range, cut to it. */
  slice(start: number, end: number): Mapping[] {
    const parts: Mapping[] = []
    for (let i = this.#search(start); i < this.#mappings.length; i++) {
      const mapping = this.#mappings[i]!
      if (mapping.start >= end) break
      parts.push(part(mapping, Math.max(start, mapping.start), Math.min(end, mapping.end)))
    }
    return parts
  }

  /** The parts of a range that are not mapped, as [start, end] pairs. */
  holes(start: number, end: number): [number, number][] {
    const holes: [number, number][] = []
    let at = start
    for (let i = this.#search(start); i < this.#mappings.length; i++) {
      const mapping = this.#mappings[i]!
      if (mapping.start >= end) break
      if (mapping.start > at) holes.push([at, mapping.start])
      at = mapping.end
    }
    if (at < end) holes.push([at, end])
    return holes
  }

  /** Whether anything is mapped in a range. */
  overlaps(start: number, end: number): boolean {
    const mapping = this.#mappings[this.#search(start)]
    return mapping !== undefined && mapping.start < end
  }

  unmap(start: number, end: number): void {
    this.replace(start, end, [])
  }

  map(mapping: Mapping): void {
    this.replace(mapping.start, mapping.end, [mapping])
  }

  protect(start: number, end: number, protection: number): void {
    this.#change(start, end, { protection })
  }

  /** Whether a forked process gets what is mapped in a range. */
  setDontFork(start: number, end: number, dontFork: boolean): void {
    this.#change(start, end, { dontFork })
  }

  #change(start: number, end: number, change: Partial<Mapping>): void {
    const parts = this.slice(start, end)
    for (let i = 0; i < parts.length; i++) parts[i] = { ...parts[i]!, ...change }
    this.replace(start, end, parts)
  }

  /** What a forked process gets. */
  forked(): Layout {
    return new Layout(this.#mappings.filter(({ dontFork }) => dontFork !== true))
  }

  /** Puts `parts` (sorted, within the range) in the place of whatever is in a range. */
  replace(start: number, end: number, parts: readonly Mapping[]): void {
    const mappings = this.#mappings
    const first = this.#search(start)
    let behind = first
    while (behind < mappings.length && mappings[behind]!.start < end) behind++
    const inserted: Mapping[] = []
    const put = (mapping: Mapping): void => {
      const previous = inserted.at(-1)
      if (previous !== undefined && joinable(previous, mapping)) {
        inserted[inserted.length - 1] = { ...previous, end: mapping.end }
      } else {
        inserted.push(mapping)
      }
    }
    // The neighbours take part, as they may be merged with what is put in.
    const from = first > 0 && parts.length > 0 && mappings[first - 1]!.end === start ? first - 1 : first
    if (from < first) put(mappings[from]!)
    if (first < behind && mappings[first]!.start < start)
      put(part(mappings[first]!, mappings[first]!.start, start))
    for (const mapping of parts) put(mapping)
    if (first < behind) {
      const last = mappings[behind - 1]!
      if (last.end > end) put(part(last, end, last.end))
    }
    let to = behind
    if (to < mappings.length && parts.length > 0 && mappings[to]!.start === end) put(mappings[to++]!)
    if (to - from === 1 && inserted.length === 1) mappings[from] = inserted[0]!
    else mappings.splice(from, to - from, ...inserted)
    this.#last = from
  }
}

/** A set of addresses made of ranges: everything that an address space ever mapped. */
export class RangeSet {
  #starts: number[] = []
  #ends: number[] = []

  get size(): number {
    return this.#starts.length
  }

  *ranges(): Generator<[start: number, end: number]> {
    for (let i = 0; i < this.#starts.length; i++) yield [this.#starts[i]!, this.#ends[i]!]
  }

  /** Adds [start, end); touching ranges become one. */
  add(start: number, end: number): void {
    const starts = this.#starts
    const ends = this.#ends
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle]! >= start) high = middle
      else low = middle + 1
    }
    if (low < starts.length && starts[low]! <= start && ends[low]! >= end) return
    let behind = low
    while (behind < starts.length && starts[behind]! <= end) behind++
    if (behind > low) {
      start = Math.min(start, starts[low]!)
      end = Math.max(end, ends[behind - 1]!)
    }
    starts.splice(low, behind - low, start)
    ends.splice(low, behind - low, end)
  }
}
