// Copy on write of the zero page, beside a CPU that holds a translation of it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write of the zero page beside a reader of it',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    for (const each of all) each.load(firstPage)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.load(firstPage, 1)]],
  pages: [firstPage],
})
