// A CPU that has called on others halts at once until it is woken (see variants.ts): each answer must wake it.

import { CALL_FLUSH_TLB, type Task, callFunctionMany } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

/** In the mask of CPUs, which has a word for 32 of them. */
const ALL = 0b11

function callOther(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  return 'answered'
}

export default primitiveScenario({
  title: 'two CPUs that call on each other, and halt',
  words: 1,
  setup: (cpu, at) => {
    cpu.heap[at] = ALL
  },
  threads: [callOther, callOther],
})
