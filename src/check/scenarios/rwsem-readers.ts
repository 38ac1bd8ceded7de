// A semaphore with two readers and a writer: the readers see both words alike.

import { RWSEM_WORDS, type Task, downRead, downWrite, upRead, upWrite } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const FIRST = RWSEM_WORDS
const SECOND = RWSEM_WORDS + 1

function read(cpu: Task, at: number): string {
  downRead(cpu, at)
  const seen = `${cpu.heap[at + FIRST]} ${cpu.heap[at + SECOND]}`
  upRead(cpu, at)
  return seen
}

export default primitiveScenario({
  title: 'two readers and a writer of a semaphore',
  words: RWSEM_WORDS + 2,
  threads: [
    read,
    read,
    function write(cpu, at) {
      downWrite(cpu, at)
      cpu.heap[at + FIRST]!++
      cpu.heap[at + SECOND]!++
      upWrite(cpu, at)
      return 0
    },
  ],
})
