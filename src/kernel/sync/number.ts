// Numbers that never come round: 64 bits in two words, the low one first, of which a program sees 53.
//
// They tell one object from a later one at the same place of the heap, for handles that a program may keep for ever.
// 2^32 objects are made in days; 2^53 are not. The low word is never 0, so that a low word of 0 says that there is
// none.

import type { Cpu } from '../machine/cpu.ts'
import { Header } from '../machine/header.ts'
import { spinLock, spinUnlock } from './spinlock.ts'

/** Gives the object whose number is at `to` the next one of `counter`, a pair of words of the machine. */
export function takeNumber(cpu: Cpu, counter: number, to: number): void {
  const { heap } = cpu
  spinLock(cpu, Header.numberLock)
  advanceNumber(heap, counter)
  Atomics.store(heap, to + 1, heap[counter + 1])
  Atomics.store(heap, to, heap[counter])
  spinUnlock(cpu, Header.numberLock)
}

/** The object is gone. */
export function forgetNumber(cpu: Cpu, at: number): void {
  Atomics.store(cpu.heap, at, 0)
}

/**
 * The number at `at`, 0 for none. Without a lock: the object may be going away, and another be made there. The low word
 * is read first. Numbers at one place only grow, so that the number of an object that was gone by then is not returned.
 */
export function numberAt(heap: Int32Array, at: number): number {
  const low = Atomics.load(heap, at)
  return low === 0 ? 0 : Atomics.load(heap, at + 1) * 2 ** 32 + (low >>> 0)
}

/** One more. The caller excludes others. */
export function advanceNumber(heap: Int32Array, at: number): void {
  heap[at] = (heap[at] + 1) | 0
  if (heap[at] !== 0) return
  heap[at + 1]++
  heap[at] = 1
}
