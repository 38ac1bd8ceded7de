// mremap whose new place is taken in by the mapping in front of it, and a store there.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'mremap to the end of another mapping, and a store at the new place',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.mapPages(firstPage + 4, 1)
    cpu.store(firstPage + 4, 8)
  },
  threads: [[(cpu) => cpu.move(firstPage, 1, firstPage + 5)], [(cpu) => cpu.store(firstPage + 5, 42)]],
  pages: [firstPage, firstPage + 4, firstPage + 5],
})
