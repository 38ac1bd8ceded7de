// Reference counts: a word that starts at 1 and whose last holder frees the object.

import { bugOn } from '../machine/errors.ts'
import type { Cpu } from '../machine/cpu.ts'

/** Takes a reference on an object that the caller already holds alive. */
export function refcountInc(cpu: Cpu, refcount: number): void {
  bugOn(Atomics.add(cpu.heap, refcount, 1) <= 0, 'a reference is taken on a dead object')
}

/**
 * Takes a reference unless the object is dead. Returns whether it did. The caller keeps the memory of the object from
 * being freed.
 */
export function refcountIncNotZero(cpu: Cpu, refcount: number): boolean {
  for (;;) {
    const count = Atomics.load(cpu.heap, refcount)
    if (count === 0) return false
    if (Atomics.compareExchange(cpu.heap, refcount, count, count + 1) === count) return true
  }
}

/** `refcount_dec_not_one`: drops a reference unless it is the last. Returns whether it did. */
export function refcountDecNotOne(cpu: Cpu, refcount: number): boolean {
  for (;;) {
    const count = Atomics.load(cpu.heap, refcount)
    if (count <= 1) return false
    if (Atomics.compareExchange(cpu.heap, refcount, count, count - 1) === count) return true
  }
}

/** Drops a reference. Returns true when it was the last, so that the caller frees the object. */
export function refcountDecAndTest(cpu: Cpu, refcount: number): boolean {
  const before = Atomics.sub(cpu.heap, refcount, 1)
  bugOn(before <= 0, 'a reference is dropped that nobody held')
  return before === 1
}
