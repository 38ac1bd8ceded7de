/**
 * Where the recorded addresses go: 48 bits of them, at most, into the 43 bits that the machine has.
 *
 * Principles: the order of addresses is kept, and so is the position inside each gigabyte, so that neighbours stay
 * neighbours and mappings share page tables as they did; gaps that nothing was ever mapped in are closed up. Where
 * the gigabytes that hold mappings are more than fit, units of 2 MiB are tried (still whole page tables), and of
 * reservations that are larger than everything the inside that no operation names is left out: nothing could tell the
 * difference.
 */

/** First address that the machine does not have. */
export const MACHINE_ADDRESSES = 2 ** 43

const UNITS = [2 ** 30, 2 ** 21] as const

export class RelocationError extends Error {
  readonly bytes: number
  constructor(bytes: number, addresses: number) {
    super(`the mappings touch ${bytes} bytes of addresses, which do not fit in ${addresses}`)
    this.name = 'RelocationError'
    this.bytes = bytes
  }
}

/** Runs of units as [first, behind). */
type Run = [first: number, behind: number]

export class Relocation {
  readonly #from: number[]
  readonly #to: number[]
  readonly #length: number[]
  #last = 0

  private constructor(runs: readonly Run[], unit: number, room: number) {
    this.#from = []
    this.#to = []
    this.#length = []
    const used = runs.reduce((sum, [first, behind]) => sum + behind - first, 0)
    // A free unit between what was apart keeps it apart; without room for that, the kernel may merge more than Linux
    // did.
    const gap = used + runs.length <= room ? 1 : 0
    // The lowest unit keeps its place, as its first pages may not be mapped.
    let next = runs.length > 0 && runs[0]![0] === 0 ? 0 : 1
    for (const [index, [first, behind]] of runs.entries()) {
      const apart = index > 0 && runs[index - 1]![1] < first
      if (apart) next += gap
      this.#from.push(first * unit)
      this.#to.push(next * unit)
      this.#length.push((behind - first) * unit)
      next += behind - first
    }
  }

  /**
   * @param extents everything that is ever mapped, as [start, end) in order
   * @param points addresses that operations name; asked for only if not everything fits
   * @param addresses how many the machine has: some gigabytes at least
   * @throws RelocationError
   */
  static create(
    extents: readonly (readonly [number, number])[],
    points: () => Iterable<number>,
    addresses: number = MACHINE_ADDRESSES,
  ): Relocation {
    let least = 0
    for (const unit of UNITS) {
      // The last unit stays free, so that an end is never the first address that does not exist.
      const room = addresses / unit - 2
      const runs = runsOf(extents, unit)
      least = runs.reduce((sum, [first, behind]) => sum + behind - first, 0)
      if (least <= room) return new Relocation(runs, unit, room)
      const kept = withoutInsides(runs, extents, points, unit, least - room)
      least = kept.reduce((sum, [first, behind]) => sum + behind - first, 0)
      if (least <= room) return new Relocation(kept, unit, room)
      least *= unit
    }
    throw new RelocationError(least, addresses)
  }

  /** Where an address goes. One that was left out goes to the beginning of what follows. */
  address(address: number): number {
    const from = this.#from
    let low = this.#last
    if (
      !(low < from.length && from[low]! <= address && (low + 1 === from.length || from[low + 1]! > address))
    ) {
      low = 0
      let high = from.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (from[middle]! <= address) low = middle + 1
        else high = middle
      }
      low--
      if (low < 0) return this.#to[0] ?? 0
      this.#last = low
    }
    const inside = address - from[low]!
    if (inside < this.#length[low]!) return this.#to[low]! + inside
    return low + 1 < from.length ? this.#to[low + 1]! : this.#to[low]! + this.#length[low]!
  }

  /** Where the end of a range goes: the address behind the last one that goes anywhere. */
  end(end: number): number {
    const from = this.#from
    let low = 0
    let high = from.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (from[middle]! < end) low = middle + 1
      else high = middle
    }
    low--
    if (low < 0) return this.#to[0] ?? 0
    return this.#to[low]! + Math.min(end - from[low]!, this.#length[low]!)
  }
}

function runsOf(extents: readonly (readonly [number, number])[], unit: number): Run[] {
  const runs: Run[] = []
  for (const [start, end] of extents) {
    const first = Math.floor(start / unit)
    const behind = Math.ceil(end / unit)
    const last = runs.at(-1)
    if (last !== undefined && first <= last[1]) last[1] = Math.max(last[1], behind)
    else runs.push([first, behind])
  }
  return runs
}

/**
 * Leaves out the longest stretches of units that hold neither an end of a mapping nor a point, until enough is gone.
 */
function withoutInsides(
  runs: readonly Run[],
  extents: readonly (readonly [number, number])[],
  points: () => Iterable<number>,
  unit: number,
  excess: number,
): Run[] {
  const used = new Set<number>()
  for (const [start, end] of extents) used.add(Math.floor(start / unit)).add(Math.floor((end - 1) / unit))
  for (const point of points()) used.add(Math.floor(point / unit))
  const marks = [...used].toSorted((a, b) => a - b)
  const stretches: Run[] = []
  let mark = 0
  for (const [first, behind] of runs) {
    while (mark < marks.length && marks[mark]! < first) mark++
    let at = first
    for (; mark < marks.length && marks[mark]! < behind; mark++) {
      if (marks[mark]! > at) stretches.push([at, marks[mark]!])
      at = marks[mark]! + 1
    }
    if (at < behind) stretches.push([at, behind])
  }
  stretches.sort((a, b) => b[1] - b[0] - (a[1] - a[0]))
  const dropped: Run[] = []
  for (const stretch of stretches) {
    if (excess <= 0) break
    dropped.push(stretch)
    excess -= stretch[1] - stretch[0]
  }
  dropped.sort((a, b) => a[0] - b[0])
  const kept: Run[] = []
  let drop = 0
  for (const [first, behind] of runs) {
    let at = first
    for (; drop < dropped.length && dropped[drop]![0] < behind; drop++) {
      if (dropped[drop]![0] > at) kept.push([at, dropped[drop]![0]])
      at = dropped[drop]![1]
    }
    if (at < behind) kept.push([at, behind])
  }
  return kept
}
