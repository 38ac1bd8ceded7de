// An observer that writes to a page while fork makes it the child's as well: what is written afterwards must not be
// seen by the child.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'writes through an observer and fork',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
    cpu.storeObserved(firstPage, 8)
  },
  threads: [[(cpu) => cpu.storeObserved(firstPage, 9)], [(cpu) => cpu.fork(firstPage)]],
  pages: [firstPage],
})
