// madvise(MADV_DONTNEED) takes a page away and has not flushed yet; MADV_FREE beside it finds no entry. When that has
// returned, no CPU can use the translation of before (Linux 99baac21e458, 2017).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'madvise(MADV_DONTNEED), madvise(MADV_FREE) beside it, and a store after it',
  setup: (cpu, all) => {
    cpu.startSwap(2)
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 8)
    all[1]!.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.discard(firstPage, 1)],
    [
      (cpu) => cpu.advise(firstPage, 1, 'free'),
      (cpu) => cpu.store(firstPage, 9),
      (cpu) => cpu.load(firstPage),
    ],
  ],
  pages: [firstPage, warmPage],
})
