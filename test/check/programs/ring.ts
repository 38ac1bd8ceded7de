// A ring buffer for one producer and one consumer, with a subtle bug: a slot is announced before it is filled.

import { scenario } from '../../../src/check/scenario.ts'

const HEAD = 0
const TAIL = 1
const SLOTS = 2
const SIZE = 2

function push(ring: Int32Array, value: number): boolean {
  const tail = Atomics.load(ring, TAIL)
  if (tail - Atomics.load(ring, HEAD) === SIZE) return false
  Atomics.store(ring, TAIL, tail + 1)
  Atomics.store(ring, SLOTS + (tail % SIZE), value)
  return true
}

function pop(ring: Int32Array): number | undefined {
  const head = Atomics.load(ring, HEAD)
  if (head === Atomics.load(ring, TAIL)) return undefined
  const value = Atomics.load(ring, SLOTS + (head % SIZE))
  Atomics.store(ring, HEAD, head + 1)
  return value
}

export default scenario({
  title: 'a ring buffer',
  setup: () => new Int32Array(new SharedArrayBuffer((SLOTS + SIZE) * 4)),
  threads: [
    (ring) => {
      for (let value = 1; value <= 2; value++) push(ring, value)
    },
    (ring) => {
      const value = pop(ring)
      if (value !== undefined && value !== 1) throw new Error(`the first value is 1, and ${value} came out`)
    },
  ],
})
