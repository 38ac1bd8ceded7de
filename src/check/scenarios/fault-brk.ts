// A fault in the heap and brk, which takes its page away.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault in the heap and brk',
  setup: (cpu) => {
    cpu.startHeap(firstPage)
    cpu.heap(2)
    cpu.store(firstPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage + 1, 42)], [(cpu) => cpu.heap(1)]],
  pages: [firstPage, firstPage + 1],
})
