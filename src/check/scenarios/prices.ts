// The price of a design, which is not an error: these fail under the designs of which the literature says so.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

export default kernelScenarios({
  // A CPU that faults in a mapping of a file, and munmap of it, after which the caller expects the file to be unused,
  // as umount() does (race R20).
  'file-in-use': {
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
  },
  // A fault and an mmap elsewhere: the fault counts once, however often it is tried (race R36).
  'counted-faults': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.pageFaults()],
      [(cpu) => cpu.mapPages(firstPage + 8, 1)],
    ],
  },
})
