// Two CPUs that take an object out and wait for a grace period before they use it again, each while the other may be
// looking: plain writes, which only the grace period keeps from the readers.

import { type Task, rcuReadLock, rcuReadUnlock, synchronizeRcu } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const POINTER = 0
/** Two objects of two words. */
const OBJECTS = 2

function publishAndRead(own: number) {
  return (cpu: Task, at: number): string => {
    const { heap } = cpu
    const object = OBJECTS + 2 * own
    heap[at + object] = 1
    Atomics.store(heap, at + POINTER + own, object)
    rcuReadLock(cpu)
    const other = Atomics.load(heap, at + POINTER + 1 - own)
    const seen = other === 0 ? 1 : heap[at + other]!
    rcuReadUnlock(cpu)
    Atomics.store(heap, at + POINTER + own, 0)
    synchronizeRcu(cpu)
    heap[at + object] = 2
    return seen === 1 ? 'whole' : 'reused'
  }
}

export default primitiveScenario({
  title: 'RCU',
  words: OBJECTS + 4,
  threads: [publishAndRead(0), publishAndRead(1)],
})
