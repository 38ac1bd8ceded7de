// Reference counts: a word that starts at 1 and whose last holder frees the object.

import { bugOn } from '../machine/errors.ts'
import type { Cpu } from '../machine/cpu.ts'

/** Takes a reference on an object that the caller already holds alive. */
export function refcountInc(cpu: Cpu, refcount: number): void {
  bugOn(Atomics.add(cpu.heap, refcount, 1) <= 0, 'a reference is taken on a dead object')
}

/** Drops a reference. Returns true when it was the last, so that the caller frees the object. */
export function refcountDecAndTest(cpu: Cpu, refcount: number): boolean {
  const before = Atomics.sub(cpu.heap, refcount, 1)
  bugOn(before <= 0, 'a reference is dropped that nobody held')
  return before === 1
}
