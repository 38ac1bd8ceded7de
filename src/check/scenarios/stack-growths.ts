// Two faults below a stack, at different places: it grows twice, or once for both.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const stack = firstPage + 16

export default kernelScenario({
  title: 'two faults that make a stack grow',
  setup: (cpu) => {
    cpu.mapPages(stack, 2, 'rw', true)
    cpu.store(stack + 1, 7)
  },
  threads: [[(cpu) => cpu.store(stack - 1, 42)], [(cpu) => cpu.store(stack - 2, 43)]],
  pages: [stack - 2, stack - 1, stack],
})
