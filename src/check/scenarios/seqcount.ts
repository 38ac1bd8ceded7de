// A sequence count: a reader that sees the same even number twice has seen both words of one write.

import {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../../kernel/index.ts'
import { primitiveScenario } from '../kernel-scenario.ts'

const COUNT = 0
const FIRST = 2
const SECOND = 3

export default primitiveScenario({
  title: 'a sequence count',
  words: 4,
  threads: [
    function write(cpu, at) {
      writeSeqcountBegin(cpu, at + COUNT)
      Atomics.store(cpu.heap, at + FIRST, 1)
      Atomics.store(cpu.heap, at + SECOND, 1)
      writeSeqcountEnd(cpu, at + COUNT)
      return 0
    },
    function read(cpu, at) {
      const turns = readSeqcountTurns(cpu, at + COUNT)
      const start = readSeqcount(cpu, at + COUNT)
      if ((start & 1) !== 0) return 'consistent'
      const first = Atomics.load(cpu.heap, at + FIRST)
      const second = Atomics.load(cpu.heap, at + SECOND)
      return first === second || readSeqcountRetry(cpu, at + COUNT, start, turns) ? 'consistent' : 'torn'
    },
  ],
})
