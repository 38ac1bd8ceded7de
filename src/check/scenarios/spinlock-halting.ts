// A spinlock on which CPUs halt that wait: who releases it wakes one, and all come to their turn (variants.ts).

import { type Task, spinLock, spinUnlock } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const LOCK = 0
const COUNTER = 1

function lockAndCount(cpu: Task, at: number): number {
  spinLock(cpu, at + LOCK)
  cpu.heap[at + COUNTER]!++
  spinUnlock(cpu, at + LOCK)
  return 0
}

export default primitiveScenario({
  title: 'a spinlock on which CPUs halt',
  words: 2,
  threads: [lockAndCount, lockAndCount, lockAndCount],
})
