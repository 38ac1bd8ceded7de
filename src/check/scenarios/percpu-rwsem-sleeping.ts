// A reader of a per-CPU semaphore that is outside the kernel for a while with the semaphore held, and a writer that has
// to sleep until it comes back and lets go (variants.ts).

import {
  kernelEnter,
  kernelExit,
  percpuDownReadTryLock,
  percpuDownWrite,
  percpuRwsemWords,
  percpuUpRead,
  percpuUpWrite,
} from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const CPUS = 2
const COUNTER = percpuRwsemWords(CPUS)

export default primitiveScenario({
  title: 'a per-CPU semaphore whose writer sleeps',
  words: percpuRwsemWords(CPUS) + 1,
  threads: [
    function read(cpu, at) {
      if (!percpuDownReadTryLock(cpu, at)) return 'still'
      const before = cpu.heap[at + COUNTER]!
      kernelExit(cpu)
      kernelEnter(cpu)
      const after = cpu.heap[at + COUNTER]!
      percpuUpRead(cpu, at)
      return before === after ? 'still' : 'changed'
    },
    function write(cpu, at) {
      percpuDownWrite(cpu, at)
      cpu.heap[at + COUNTER]!++
      percpuUpWrite(cpu, at)
      return 0
    },
  ],
})
