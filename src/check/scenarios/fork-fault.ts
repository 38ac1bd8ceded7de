// fork, and a write in the parent to a page that is there: the child has it as it was before or after, and the parent
// keeps what it wrote.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a write fault and fork',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.fork(firstPage, warmPage)], [(cpu) => cpu.add(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
