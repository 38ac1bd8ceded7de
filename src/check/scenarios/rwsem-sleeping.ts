// A semaphore whose waiters sleep at once and until they are woken (variants.ts).

import { RWSEM_WORDS, type Task, downRead, downWrite, upRead, upWrite } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNTER = RWSEM_WORDS

function write(cpu: Task, at: number): number {
  downWrite(cpu, at)
  cpu.heap[at + COUNTER]!++
  upWrite(cpu, at)
  return 0
}

export default primitiveScenario({
  title: 'a semaphore whose waiters sleep',
  words: RWSEM_WORDS + 1,
  threads: [
    write,
    function read(cpu, at) {
      downRead(cpu, at)
      const seen = cpu.heap[at + COUNTER]!
      upRead(cpu, at)
      return seen
    },
  ],
})
