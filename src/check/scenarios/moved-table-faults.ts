// A fault in a page table that mremap has moved as a whole, when the VMA of its old place is gone.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

/** What a page table covers. */
const pages = 512
const target = firstPage + 2 * pages
const elsewhere = target + 2 * pages

export default kernelScenario({
  title: 'faults in a page table that mremap has moved',
  setup: (cpu) => {
    cpu.mapMany(firstPage, pages)
    cpu.store(firstPage, 7)
    cpu.mapPages(elsewhere, 3)
  },
  threads: [
    [
      (cpu) => cpu.move(firstPage, pages, target),
      // A call at whose end the VMA of the old place may be freed.
      (cpu) => cpu.unmap(elsewhere + 2, 1),
      (cpu) => cpu.load(elsewhere),
      (cpu) => cpu.load(target + 1),
    ],
    [(cpu) => cpu.load(elsewhere + 1)],
  ],
  pages: [firstPage, target],
})
