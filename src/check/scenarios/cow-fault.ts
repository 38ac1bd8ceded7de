// Two writes to one page that shows the zero page: each makes a copy, one is installed, the other is given back.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two writes to one page that shows the zero page',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    for (const each of all) each.load(firstPage)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
  pages: [firstPage],
})
