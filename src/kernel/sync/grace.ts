// The end of a call that may free something: it advances the grace periods of RCU and of SRCU.

import type { Cpu } from '../machine/cpu.ts'
import { rcuBarrier, rcuPoll } from './rcu.ts'
import { srcuBarrier, srcuPoll } from './srcu.ts'

/** Advances the grace periods and runs the callbacks whose grace period has passed. The caller holds no lock. */
export function gracePoll(cpu: Cpu): void {
  rcuPoll(cpu)
  srcuPoll(cpu)
}

/** Waits until every callback of every CPU has run. */
export function graceBarrier(cpu: Cpu): void {
  srcuBarrier(cpu)
  rcuBarrier(cpu)
}
