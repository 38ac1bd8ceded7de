// The first two writes to a mapping that was only read: its page table is there, its anon_vma is not.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the first two writes where only the page table is there',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.load(firstPage + 2)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(warmPage, 43)]],
  pages: [firstPage, warmPage],
})
