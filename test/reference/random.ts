// A small deterministic generator of pseudo-random numbers for tests: SplitMix32.
//
// Principles: one 32-bit word of state, so that a seed printed by a failing run reproduces it anywhere; every thread
// gets its own generator, derived from the run's seed and the thread's number, so that no thread's sequence depends
// on another's speed.

export class Random {
  #state: number

  /** @param seed any integer; only its low 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** The next value, 0 … 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** An integer from 0 to bound - 1. */
  below(bound: number): number {
    return this.next() % bound
  }

  /** True once in `times` calls on average. */
  oneIn(times: number): boolean {
    return this.next() % times === 0
  }

  /** One of the given values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** One of the given names, each as likely as its weight says. */
  weighted<T extends string>(weights: Partial<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][]
    let total = 0
    for (const [, weight] of entries) total += weight
    let left = this.next() % total
    for (const [name, weight] of entries) {
      if (left < weight) return name
      left -= weight
    }
    throw new RangeError('weights must be positive integers')
  }

  /**
   * A generator that depends on this one's seed and on the given number, and on nothing else that happens to this
   * one.
   */
  static derive(seed: number, stream: number): Random {
    const mixer = new Random((seed ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0)
    return new Random(mixer.next())
  }
}
