// An observer of a page that mremap moves away, and that stays mapped (MREMAP_DONTUNMAP): unmapping it would tell the
// observer too.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const target = firstPage + 8

export default kernelScenario({
  title: 'accesses through an observer and mremap, which keeps the mapping',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
  },
  threads: [
    [(cpu) => cpu.storeObserved(firstPage, 9), (cpu) => cpu.observe(firstPage)],
    [(cpu) => cpu.move(firstPage, 1, target, true)],
  ],
  pages: [firstPage, target],
})
