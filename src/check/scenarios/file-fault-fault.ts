// Two faults on one page of a file, one of which brings it into the page cache.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two faults on one page of a file',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.load(warmPage)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
  pages: [firstPage],
})
