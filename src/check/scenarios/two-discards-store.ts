// Two calls of madvise(MADV_DONTNEED) on one page: after the second has returned, though it found nothing, the old page
// is not seen any more.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'two calls of madvise(MADV_DONTNEED), and a load after one',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.discard(firstPage, 1)],
    [(cpu) => cpu.discard(firstPage, 1), (cpu) => cpu.load(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
