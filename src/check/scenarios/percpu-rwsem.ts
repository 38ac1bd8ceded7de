// A per-CPU semaphore with a writer and a reader that tries: what it lets in sees both words alike, and the writer does
// not sleep for ever.

import {
  type Task,
  percpuDownReadTryLock,
  percpuDownWrite,
  percpuRwsemWords,
  percpuUpRead,
  percpuUpWrite,
} from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const CPUS = 2
const FIRST = percpuRwsemWords(CPUS)
const SECOND = FIRST + 1

function tryToRead(cpu: Task, at: number): string {
  if (!percpuDownReadTryLock(cpu, at)) return 'alike'
  const seen = cpu.heap[at + FIRST] === cpu.heap[at + SECOND] ? 'alike' : 'torn'
  percpuUpRead(cpu, at)
  return seen
}

export default primitiveScenario({
  title: 'a per-CPU semaphore with a writer and a reader',
  words: percpuRwsemWords(CPUS) + 2,
  threads: [
    (cpu, at) => [tryToRead(cpu, at), tryToRead(cpu, at)].join(' '),
    function write(cpu, at) {
      percpuDownWrite(cpu, at)
      cpu.heap[at + FIRST]!++
      cpu.heap[at + SECOND]!++
      percpuUpWrite(cpu, at)
      return 0
    },
  ],
})
