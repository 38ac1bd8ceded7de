// As lock-number-wrap, where the number moves only when the mmap lock is given up: a fault enters before the
// number is the VMA's, the next writer makes it so, and the one after that must still wait for the fault.

import { kernelScenario } from '../kernel-scenario.ts'
import { lockNumberComesRound } from '../near-wrap.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault, mmap of another range, and munmap of its page, where lock numbers come round',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    lockNumberComesRound(cpu.task.heap, cpu.mm, 1)
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.mapPages(firstPage + 16, 1), (cpu) => cpu.unmap(firstPage, 1)],
  ],
  pages: [firstPage, warmPage],
  numbers: 'own',
})
