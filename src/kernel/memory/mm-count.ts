// `mm_count`: keeps the struct of an address space in memory, though the address space itself may end.

import { Header } from '../machine/header.ts'
import { CACHE_MM, CACHE_PERCPU_RWSEM } from '../mm/caches.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { numberAt } from '../sync/number.ts'
import { RCU_FREE_MM, callRcu, defineRcuCallback } from '../sync/rcu.ts'
import { refcountDecAndTest, refcountInc } from '../sync/refcount.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { slabFree } from './slab.ts'

/** `mmgrab`. */
export function grabMm(cpu: Task, mm: number): void {
  refcountInc(cpu, mm + Mm.count)
}

/** {@link grabMm}, if `wanted`, which may be any number, is the address of an address space with that generation. */
export function grabMmOf(cpu: Task, wanted: number, generation: number): boolean {
  const { heap } = cpu
  spinLock(cpu, Header.mmListLock)
  let mm = heap[Header.mmList]
  while (mm !== 0 && mm !== wanted) mm = heap[mm + Mm.nextMm]
  const present = mm !== 0 && numberAt(heap, mm + Mm.generation) === generation
  if (present) grabMm(cpu, mm)
  spinUnlock(cpu, Header.mmListLock)
  return present
}

/**
 * `mmdrop`: drops a reference; the last one frees the struct. In type-safe memory, a fault in another mm may hold a VMA
 * that belonged to this one, and be about to wake the writer that waits here (race R25). The fix of 2025 pins the mm
 * for that; here the struct is freed after a grace period.
 */
export function dropMm(cpu: Task, mm: number): void {
  if (!refcountDecAndTest(cpu, mm + Mm.count)) return
  const lock = cpu.heap[mm + Mm.mmuNotifierLock]
  if (lock !== 0) slabFree(cpu, CACHE_PERCPU_RWSEM, lock)
  if (cpu.design.freesMmRcu) callRcu(cpu, mm + Mm.rcuHead, RCU_FREE_MM)
  else slabFree(cpu, CACHE_MM, mm)
}

defineRcuCallback<Task>(RCU_FREE_MM, (cpu, head) => slabFree(cpu, CACHE_MM, head - Mm.rcuHead))

/**
 * The address space with the lowest number above `cpu.walkGeneration`, which becomes its number, with a reference; or
 * 0. In this order, a walk visits a child after its parent, so it also visits what fork copies from a parent that it
 * has passed.
 */
export function nextMm(cpu: Task): number {
  const { heap } = cpu
  const generation = cpu.walkGeneration
  let next = 0
  spinLock(cpu, Header.mmListLock)
  for (let mm = heap[Header.mmList]; mm !== 0; mm = heap[mm + Mm.nextMm]) {
    const number = numberAt(heap, mm + Mm.generation)
    if (number > generation && (next === 0 || number < numberAt(heap, next + Mm.generation))) next = mm
  }
  if (next !== 0) {
    grabMm(cpu, next)
    cpu.walkGeneration = numberAt(heap, next + Mm.generation)
  }
  spinUnlock(cpu, Header.mmListLock)
  return next
}
