// CPU 0 answers the drain of CPU 1, which unlocks; the call of CPU 2 is pending there. Would it answer within the
// answer, it would answer CPU 1 too, which goes on to its next call, and then once more without having done that one.

import {
  CALL_DRAIN_PCP,
  CALL_FLUSH_TLB,
  type Task,
  callFunctionMany,
  callFunctionSingle,
  defineCall,
} from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const CALL_NOTE = 3
let word = 0
defineCall<Task>(CALL_NOTE, (cpu) => Atomics.store(cpu.heap, word + 1, 1))

export default primitiveScenario({
  title: 'an answer within an answer',
  words: 2,
  setup: (cpu, at) => {
    word = at
    cpu.heap[at] = 0b001
  },
  threads: [
    () => 'inside',
    (cpu, at) => {
      callFunctionSingle(cpu, 0, CALL_DRAIN_PCP)
      const wasInside = callFunctionSingle(cpu, 0, CALL_NOTE)
      if (wasInside && Atomics.load(cpu.heap, at + 1) === 0)
        throw new Error('CPU 0 has answered a call that it has not done')
      Atomics.store(cpu.heap, at + 1, 1)
      return 'called'
    },
    (cpu, at) => {
      callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 9, 10)
      return 'flushed'
    },
  ],
})
