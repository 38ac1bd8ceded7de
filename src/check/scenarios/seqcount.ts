// A sequence count: a reader that sees the same even number twice has seen both words of one write.

import { readSeqcount, readSeqcountRetry, writeSeqcountBegin, writeSeqcountEnd } from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNT = 0
const FIRST = 1
const SECOND = 2

export default primitiveScenario({
  title: 'a sequence count',
  words: 3,
  threads: [
    function write(cpu, at) {
      writeSeqcountBegin(cpu, at + COUNT)
      Atomics.store(cpu.heap, at + FIRST, 1)
      Atomics.store(cpu.heap, at + SECOND, 1)
      writeSeqcountEnd(cpu, at + COUNT)
      return 0
    },
    function read(cpu, at) {
      const start = readSeqcount(cpu, at + COUNT)
      if ((start & 1) !== 0) return 'consistent'
      const first = Atomics.load(cpu.heap, at + FIRST)
      const second = Atomics.load(cpu.heap, at + SECOND)
      return first === second || readSeqcountRetry(cpu, at + COUNT, start) ? 'consistent' : 'torn'
    },
  ],
})
