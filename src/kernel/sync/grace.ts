// What a call that may free something does at its end for those who wait for grace periods, of RCU and of SRCU.

import type { Cpu } from '../machine/cpu.ts'
import { PerCpu } from '../machine/per-cpu.ts'
import { rcuBarrier, rcuPoll, synchronizeRcu } from './rcu.ts'
import { srcuBarrier, srcuPoll } from './srcu.ts'

/** Takes the grace periods further and runs the callbacks whose time has come. To be called where nothing is held. */
export function gracePoll(cpu: Cpu): void {
  rcuPoll(cpu)
  srcuPoll(cpu)
}

/**
 * Waits for a grace period of RCU with locks held on which others sleep: should the thread die meanwhile, it dies
 * inside the kernel, though its CPU is outside.
 */
export function waitForGracePeriod(cpu: Cpu): void {
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 1)
  synchronizeRcu(cpu)
  Atomics.store(cpu.heap, cpu.base + PerCpu.asleep, 0)
}

/** Waits until every callback of every CPU has run. */
export function graceBarrier(cpu: Cpu): void {
  srcuBarrier(cpu)
  rcuBarrier(cpu)
}
