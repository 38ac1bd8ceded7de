// An observer that goes away while a call is telling it of an invalidation.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'an observer that goes away beside MADV_DONTNEED',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.register()
  },
  threads: [[(cpu) => cpu.unregister()], [(cpu) => cpu.discard(firstPage, 1)]],
  pages: [firstPage],
})
