// A thread enters, begins to answer a call, and is cut off there, as the host does it with a script that runs too long.
// When the thread comes back it ends that stay. The caller waits for the answer meanwhile.

import {
  CALL_FLUSH_TLB,
  CPU_ENTRY,
  CPU_INSIDE,
  CPU_INTERRUPT,
  type Task,
  callEnter,
  callExit,
  callFunctionMany,
} from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

/** The first step of kernelEnter(), and the first of an answer, and no more; then the thread comes back. */
function cutOff(cpu: Task): string {
  const { heap, base } = cpu
  callExit(cpu)
  cpu.entered = true
  Atomics.add(heap, base, CPU_ENTRY + CPU_INSIDE)
  Atomics.and(heap, base, ~CPU_INTERRUPT)
  callEnter(cpu)
  return 'came back'
}

function flush(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  return 'flushed'
}

export default primitiveScenario({
  title: 'a stay that is cut off in an answer',
  words: 1,
  setup: (cpu, at) => {
    cpu.heap[at] = 0b01
  },
  threads: [cutOff, flush],
})
