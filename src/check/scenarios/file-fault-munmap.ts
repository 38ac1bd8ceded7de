// A fault on a page of a file that only its mapping keeps, and munmap of it: file and page go away together.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault on a page of a file and munmap of it',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 1, 'rw', true)
    cpu.store(firstPage, 7)
    cpu.discard(firstPage, 1)
    cpu.mapPages(warmPage, 2)
    cpu.store(warmPage, 8)
  },
  threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
