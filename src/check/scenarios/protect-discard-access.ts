// stress-ng's vma in the small: mprotect and MADV_DONTNEED of the two pages that another CPU accesses, against the
// order in which both of them go through the pages.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'mprotect, madvise(MADV_DONTNEED) and accesses to two pages',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(firstPage, 6)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.protect(firstPage, 2, 'r')],
    [(cpu) => cpu.discard(firstPage, 2)],
    [(cpu) => cpu.load(warmPage), (cpu) => cpu.store(firstPage, 42)],
  ],
  pages: [firstPage, warmPage],
})
