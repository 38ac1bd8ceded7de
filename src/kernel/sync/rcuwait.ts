// Waiting of one task until a condition holds (kernel/rcu/update.c, `struct rcuwait`).
//
// A word names the CPU that waits, 0 for none. The CPU that makes the condition true looks at the word afterwards; the
// waiter looks at the condition after it has written the word: so at least one of them sees the other. A wake-up may
// come late and meet the waiter in its next wait; therefore the waiter looks at the condition again after each.

import { type Cpu } from '../machine/cpu.ts'
import { prepareToSleep, sleepUntilWoken, wakeUp } from '../machine/sleep.ts'
import { PerCpu } from '../machine/per-cpu.ts'

/** Sleeps until `heap[word]` is `value`. `waiter` is the word that names who waits; there is one at a time. */
export function rcuwaitUntil(cpu: Cpu, waiter: number, word: number, value: number): void {
  rcuwait(cpu, waiter, word, value, true)
}

/** The same, as long as `heap[word]` is `value`. */
export function rcuwaitWhile(cpu: Cpu, waiter: number, word: number, value: number): void {
  rcuwait(cpu, waiter, word, value, false)
}

function rcuwait(cpu: Cpu, waiter: number, word: number, value: number, equal: boolean): void {
  const { heap } = cpu
  const task = cpu.base + PerCpu.rcuwaitTask
  Atomics.store(heap, waiter, cpu.base)
  for (;;) {
    prepareToSleep(cpu, task)
    if ((Atomics.load(heap, word) === value) === equal) break
    sleepUntilWoken(cpu, task)
  }
  Atomics.store(heap, waiter, 0)
}

/** Wakes the CPU that waits, if there is one. The caller keeps the memory of `waiter` from being freed. */
export function rcuwaitWake(cpu: Cpu, waiter: number): void {
  const sleeper = Atomics.load(cpu.heap, waiter)
  if (sleeper !== 0) wakeUp(cpu, sleeper + PerCpu.rcuwaitTask)
}
