// A fault in a stack, beside one below it that makes it grow.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const stack = firstPage + 16

export default kernelScenario({
  title: 'a fault in a stack and one that makes it grow',
  setup: (cpu) => {
    cpu.mapPages(stack, 2, 'rw', true)
    cpu.store(stack + 1, 7)
  },
  threads: [[(cpu) => cpu.store(stack, 42)], [(cpu) => cpu.store(stack - 1, 43)]],
  pages: [stack - 1, stack, stack + 1],
})
