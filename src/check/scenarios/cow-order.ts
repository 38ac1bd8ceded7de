// Copy on write, an other CPU that writes to the copy and says so, and a third that still shows the zero page: the old
// translation must be gone before the copy can be written.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write, a write to the copy, and a reader of the old page',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    for (const each of all) each.store(warmPage, 0)
    for (const each of all) each.load(firstPage)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1, 1)],
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(warmPage, 1)],
    [(cpu) => (cpu.add(warmPage, 0) === 1 ? cpu.load(firstPage) : 'too early')],
  ],
  pages: [firstPage, warmPage],
})
