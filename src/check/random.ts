// Chance that can be had again: xoshiro128** (Blackman, Vigna: Scrambled linear pseudorandom number generators, 2018).

/** Numbers from 0 to 2^32 - 1. Equal for an equal seed, a whole number, and stream. */
export class Random {
  readonly #state = new Int32Array(4)

  constructor(seed: number, stream: number) {
    // SplitMix fills the state, as the authors advise.
    let mixed = Math.imul(seed, 0x9e3779b1) ^ Math.imul(Math.floor(seed / 2 ** 32) + 1, 0x85ebca6b)
    mixed ^= Math.imul(stream + 1, 0xc2b2ae35)
    for (let word = 0; word < 4; word++) {
      mixed = (mixed + 0x9e3779b9) | 0
      let value = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
      value = Math.imul(value ^ (value >>> 15), 0x735a2d97)
      this.#state[word] = value ^ (value >>> 15)
    }
  }

  next(): number {
    const state = this.#state
    const [a, b, c, d] = state as unknown as [number, number, number, number]
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9)
    state[2] = c ^ a
    state[3] = d ^ b
    state[1] = b ^ state[2]!
    state[0] = a ^ state[3]!
    state[2] = state[2]! ^ (b << 9)
    state[3] = rotate(state[3]!, 11)
    return result >>> 0
  }

  /** A number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit)
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
