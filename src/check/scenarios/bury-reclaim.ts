// The last mapping of a file on disk goes, and the file with it, while its page is taken out of the cache.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the burial of a file and reclaim of its page',
  setup: (cpu) => {
    cpu.fillDisk(1, 5)
    cpu.mapPages(warmPage, 1)
    cpu.mapDisk(firstPage, 1, 'r')
    cpu.load(firstPage)
    cpu.pageOut(firstPage)
    cpu.load(firstPage)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()]],
  frames: 10,
  pages: [firstPage, warmPage],
})
