// madvise(MADV_DONTNEED) of all that a page table covers, and a store there.

import { kernelScenario } from '../kernel-scenario.ts'

const page = 0x1000

export default kernelScenario({
  title: 'madvise(MADV_DONTNEED) of a whole page table, and a store there',
  setup: (cpu) => {
    cpu.mapMany(page, 0x200)
    cpu.store(page, 7)
  },
  threads: [
    [(cpu) => cpu.store(page + 1, 42), (cpu) => cpu.load(page + 1)],
    [(cpu) => cpu.discard(page, 0x200)],
  ],
  pages: [page, page + 1],
})
