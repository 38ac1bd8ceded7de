// A CPU that faults in a mapping of a file, and munmap of it, after which the caller wants the file to be gone, as
// umount() does (race R20).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault, and munmap of a file that has to be gone afterwards',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 1, 'rw', true)
    cpu.store(firstPage, 7)
    cpu.mapPages(warmPage, 2)
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.store(warmPage + 1, 42)],
    [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.filesFreed()],
  ],
  pages: [firstPage, warmPage],
})
