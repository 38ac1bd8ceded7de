// A fault that makes a stack grow, and munmap of the stack.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const stack = firstPage + 16

export default kernelScenario({
  title: 'growth of a stack and munmap of it',
  setup: (cpu) => {
    cpu.mapPages(stack, 2, 'rw', true)
    cpu.store(stack + 1, 7)
  },
  threads: [[(cpu) => cpu.store(stack - 1, 43)], [(cpu) => cpu.unmap(stack, 2)]],
  pages: [stack - 1, stack, stack + 1],
})
