// Linux chooses by chance where a program lies in memory (ASLR), and who knows that can attack it. Here it moves: all
// that lies in one of the areas in which Linux chooses moves by the same distance, so that what touches, overlaps or is
// the same goes on doing so, within a process and between it and its children.
//
// The distance is a multiple of what one page table covers, as a replay needs to know which pages share one.

import { randomInt } from 'node:crypto'

const TABLE_SPAN = 2 ** 21
const TIB = 2 ** 40
/** As far as Linux throws itself (28 bits of pages on x86-64). */
const DISTANCE_MAX = TIB

/** From where on there are programs that can be moved, libraries and stacks: with 47 bits of addresses, and with 48. */
const AREAS = [0x50, 0x58, 0x80, 0xb0].map((start) => start * TIB)
const END = 2 ** 48
/** All addresses in those areas, as perf prints them. */
const ADDRESS = /\b(0x)?([0-9a-f]{12})\b/g

export class MovedAddresses {
  readonly #distances: readonly number[]

  /** `below(n)` chooses a whole number of 0 to n - 1. */
  constructor(below: (limit: number) => number = (limit) => randomInt(limit)) {
    // Downwards, as the first TiB below each area is one where Linux places nothing by itself.
    this.#distances = AREAS.map(() => (1 + below(DISTANCE_MAX / TABLE_SPAN)) * TABLE_SPAN)
  }

  /** The text with other addresses. What is no address in one of the areas stays. */
  moved(text: string): string {
    return text.replaceAll(ADDRESS, (whole, prefix: string | undefined, digits: string) => {
      const address = Number.parseInt(digits, 16)
      const area = AREAS.findLastIndex((start) => start <= address)
      if (area < 0 || address >= END) return whole
      return `${prefix ?? ''}${(address - this.#distances[area]!).toString(16).padStart(12, '0')}`
    })
  }
}
