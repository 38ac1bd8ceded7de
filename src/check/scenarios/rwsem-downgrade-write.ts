// A writer of a semaphore that becomes a reader, beside another writer, which waits until it has left.

import { RWSEM_WORDS, downWrite, downgradeWrite, upRead, upWrite } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNTER = RWSEM_WORDS

export default primitiveScenario({
  title: 'a writer of a semaphore that becomes a reader, and another writer',
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
    function write(cpu, at) {
      downWrite(cpu, at)
      cpu.heap[at + COUNTER]! += 10
      upWrite(cpu, at)
      return 0
    },
  ],
})
