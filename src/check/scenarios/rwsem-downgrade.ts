// A writer of a semaphore that becomes a reader, beside a reader, which comes in then at the latest.

import { RWSEM_WORDS, downRead, downWrite, downgradeWrite, upRead } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNTER = RWSEM_WORDS

export default primitiveScenario({
  title: 'a writer of a semaphore that becomes a reader, and a reader',
  words: RWSEM_WORDS + 1,
  threads: [
    function downgrade(cpu, at) {
      downWrite(cpu, at)
      const mine = (cpu.heap[at + COUNTER]! += 1)
      downgradeWrite(cpu, at)
      const still = cpu.heap[at + COUNTER] === mine
      upRead(cpu, at)
      return still ? 'unchanged' : 'changed'
    },
    function read(cpu, at) {
      downRead(cpu, at)
      const seen = cpu.heap[at + COUNTER]!
      upRead(cpu, at)
      return seen
    },
  ],
})
