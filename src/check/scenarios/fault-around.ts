// Two reads of neighbouring pages of a file, both in the page cache: each fault maps what is around it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults that map what is around them',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2)
    cpu.load(firstPage)
    cpu.load(warmPage)
    cpu.discard(firstPage, 2)
  },
  threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.load(warmPage)]],
  pages: [firstPage, warmPage],
})
