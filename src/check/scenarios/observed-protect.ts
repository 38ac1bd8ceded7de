// An observer that writes to a page whose protection changes.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'writes through an observer and mprotect',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
    cpu.storeObserved(firstPage, 8)
  },
  threads: [
    [(cpu) => cpu.storeObserved(firstPage, 9)],
    [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.storeObserved(firstPage, 10)],
  ],
  pages: [firstPage],
})
