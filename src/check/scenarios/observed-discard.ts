// An observer of a page that is thrown away while the observer reads and writes it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'accesses through an observer and MADV_DONTNEED',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
  },
  threads: [
    [(cpu) => cpu.storeObserved(firstPage, 9), (cpu) => cpu.observe(firstPage)],
    [(cpu) => cpu.discard(firstPage, 1)],
  ],
  pages: [firstPage],
})
