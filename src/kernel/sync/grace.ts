// The end of a call that may free something: it advances the grace periods of RCU and of SRCU.

import type { Cpu } from '../machine/cpu.ts'
import { rcuBarrier, rcuPoll } from './rcu.ts'
import { srcuBarrier, srcuPoll } from './srcu.ts'

/** Takes the grace periods further and runs the callbacks whose time has come. To be called where nothing is held. */
export function gracePoll(cpu: Cpu): void {
  rcuPoll(cpu)
  srcuPoll(cpu)
}

/** Waits until every callback of every CPU has run. */
export function graceBarrier(cpu: Cpu): void {
  srcuBarrier(cpu)
  rcuBarrier(cpu)
}
