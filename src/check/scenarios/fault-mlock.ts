// A write fault, and mlock of its page: what the fault installs says that it is locked, as its mapping does. mlock
// brings the page in by itself, so that there are two faults for it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and mlock of its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.lock(firstPage, 2)]],
  pages: [firstPage, warmPage],
})
