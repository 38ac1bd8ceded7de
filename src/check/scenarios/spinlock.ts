// A spinlock and what it guards, which is plain data: whoever comes past the lock races for it.

import { type Task, spinLock, spinTryLock, spinUnlock } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const LOCK = 0
const COUNTER = 1

function count({ heap }: Task, at: number): void {
  heap[at + COUNTER]!++
}

function lockAndCount(cpu: Task, at: number): number {
  spinLock(cpu, at + LOCK)
  count(cpu, at)
  spinUnlock(cpu, at + LOCK)
  return 0
}

export default primitiveScenario({
  title: 'a spinlock',
  words: 2,
  threads: [
    lockAndCount,
    lockAndCount,
    function tryAndCount(cpu, at) {
      if (!spinTryLock(cpu, at + LOCK)) return lockAndCount(cpu, at)
      count(cpu, at)
      spinUnlock(cpu, at + LOCK)
      return 0
    },
  ],
})
