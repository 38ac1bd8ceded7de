// A write fault in memory that is locked as it is used, and munlock of its page: what the fault installs does not say
// that it is locked when its mapping is not.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and munlock of its page',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
    cpu.lock(firstPage, 2, true)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unlock(firstPage, 2)]],
  pages: [firstPage, warmPage],
})
