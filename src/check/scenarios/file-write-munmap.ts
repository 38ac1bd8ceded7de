// A write to a page of a file that was only read, so that hardware sets the dirty bit, and munmap of it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the first write to a page of a file and munmap of it',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.load(firstPage)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
})
