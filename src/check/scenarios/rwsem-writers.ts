// A semaphore with two writers, and a reader that only tries.

import { RWSEM_WORDS, type Task, downReadTryLock, downWrite, upRead, upWrite } from '../../kernel/index.ts'
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
  title: 'two writers of a semaphore and a reader that tries',
  words: RWSEM_WORDS + 1,
  threads: [
    write,
    write,
    function tryToRead(cpu, at) {
      // It need not succeed: nothing that it returns may depend on that.
      if (!downReadTryLock(cpu, at)) return 0
      const odd = cpu.heap[at + COUNTER]! > 2
      upRead(cpu, at)
      return odd ? 1 : 0
    },
  ],
})
