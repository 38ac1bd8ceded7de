// A fast random number generator of modest quality: xorshift32 (Marsaglia, Journal of Statistical Software 8/14,
// 2003).

/** Numbers from 1 to 2^32 - 1, the same for the same seed, a whole number from 0 on. */
export function xorshift32(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
