// Two accesses to a page that is being unmapped: the first may learn so from the classic path, and the second is tried
// without the lock again. The second call of the other CPU frees what waits for a grace period.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two accesses to a page and munmap of it',
  setup: (cpu) => {
    cpu.mapPages(warmPage + 1, 1)
    cpu.store(warmPage + 1, 8)
    cpu.mapPages(firstPage, 1, 'rwx')
    cpu.store(firstPage, 7)
    cpu.discard(firstPage, 1)
  },
  threads: [
    [(cpu) => cpu.load(firstPage), (cpu) => cpu.load(firstPage)],
    [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.unmap(warmPage, 1)],
  ],
  pages: [firstPage, warmPage + 1],
})
