// Numbers that never wrap: 64 bits in two words, the low one first, of which a program sees 53.
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

/** The object is being freed: from now on it has no number. */
export function forgetNumber(cpu: Cpu, at: number): void {
  Atomics.store(cpu.heap, at, 0)
}

/**
 * The number at `at`, 0 for none. Takes no lock, so the object may be freed, and another be made in its place,
 * meanwhile. Numbers at one place only grow; since the low word is read first, the result is never the number of an
 * object that was freed before the call.
 */
export function numberAt(heap: Int32Array, at: number): number {
  const low = Atomics.load(heap, at)
  return low === 0 ? 0 : Atomics.load(heap, at + 1) * 2 ** 32 + (low >>> 0)
}

/** Increments the number at `at`. The caller excludes other writers. */
export function advanceNumber(heap: Int32Array, at: number): void {
  heap[at] = (heap[at] + 1) | 0
  if (heap[at] !== 0) return
  heap[at + 1]++
  heap[at] = 1
}
