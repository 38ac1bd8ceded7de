// A CPU that has used a page, and munmap by another that looks afterwards: no translation may outlive it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'accesses to a page that is there and munmap of it',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    for (const each of all) each.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.load(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
