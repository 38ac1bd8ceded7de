// The sequence count of the mm comes round between two looks of a fault at it: it must not be taken for unchanged.

import { Mm } from '../../kernel/index.ts'
import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault, and munmap of its page by the last of 2^31 writers',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [
      // What 2^31 writers less one do.
      ({ task, mm }) => {
        Atomics.sub(task.heap, mm + Mm.mmapSeq, 2)
        Atomics.add(task.heap, mm + Mm.mmapSeqTurns, 1)
        return 'nearly round'
      },
      (cpu) => cpu.unmap(firstPage, 1),
    ],
  ],
  pages: [firstPage, warmPage],
  numbers: 'own',
})
