// Two CPUs that drop references: one of them is the last.

import { type Task, refcountDecAndTest } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const REFCOUNT = 0
const LAST = 1

function drop(cpu: Task, at: number): number {
  if (refcountDecAndTest(cpu, at + REFCOUNT)) cpu.heap[at + LAST]!++
  return 0
}

export default primitiveScenario({
  title: 'a reference count',
  words: 2,
  setup: ({ heap }, at) => {
    heap[at + REFCOUNT] = 2
  },
  threads: [drop, drop],
})
