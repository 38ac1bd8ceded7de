// The lock number of the mm comes round to the one that a VMA has kept from its last write lock: a writer must wait for
// the fault in the VMA all the same.

import { kernelScenario } from '../kernel-scenario.ts'
import { lockNumberComesRound } from '../near-wrap.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and munmap of its page, where lock numbers have come round',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    const odd = cpu.task.design.description.name === 'per-vma-refcount-2025'
    lockNumberComesRound(cpu.task.heap, cpu.mm, odd ? 1 : 0)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  pages: [firstPage, warmPage],
  numbers: 'own',
})
