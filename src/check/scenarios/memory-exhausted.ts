// Two CPUs that need a frame where all are in use, and one can leave: none is told that memory is used up while the
// other is just writing a page out.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'faults of two CPUs that need a frame, and none is free',
  setup: (cpu) => {
    cpu.startSwap(4)
    cpu.mapPages(firstPage, 8)
    for (let page = firstPage; page < firstPage + 3; page++) cpu.store(page, 7)
    cpu.protect(firstPage, 3, 'rw')
  },
  threads: [[(cpu) => cpu.add(firstPage + 4, 1)], [(cpu) => cpu.add(firstPage + 5, 1)]],
  frames: 4,
  pages: [],
})
