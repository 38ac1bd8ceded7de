// An observer of a page that is unmapped while the observer reads and writes it: the frame must not be freed under it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'accesses through an observer and munmap',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
  },
  threads: [
    [(cpu) => cpu.observe(firstPage), (cpu) => cpu.storeObserved(firstPage, 9)],
    [(cpu) => cpu.unmap(firstPage, 1)],
  ],
  pages: [firstPage],
})
