// A semaphore with two writers and a reader, of which any may have to queue behind any.

import { RWSEM_WORDS, type Task, downRead, downWrite, upRead, upWrite } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNTER = RWSEM_WORDS

function write(cpu: Task, at: number): number {
  downWrite(cpu, at)
  const before = cpu.heap[at + COUNTER]!
  cpu.heap[at + COUNTER] = before + 1
  upWrite(cpu, at)
  return before
}

export default primitiveScenario({
  title: 'two writers and a reader of a semaphore',
  words: RWSEM_WORDS + 1,
  threads: [
    write,
    function read(cpu, at) {
      downRead(cpu, at)
      const seen = cpu.heap[at + COUNTER]!
      upRead(cpu, at)
      return seen
    },
    write,
  ],
})
