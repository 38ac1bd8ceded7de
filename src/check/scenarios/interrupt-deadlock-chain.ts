// The deadlock of interrupts (race R11) over three CPUs and two page tables. One copies on write and waits, with the
// second table locked, until all have flushed; mremap has locked the first table and waits for the second; a fault
// waits for the first with interrupts disabled, if its design does such a thing. Who holds the lock that the fault
// waits for is not who waits for the fault.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

/** A page in another page table. */
const far = firstPage + 0x200

export default kernelScenario({
  title: 'a fault, mremap to another page table, and copy on write there',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.mapPages(firstPage + 8, 2)
    cpu.store(firstPage + 9, 7)
    cpu.mapPages(far + 8, 2)
    cpu.store(far + 9, 7)
    for (const each of all) each.load(far + 8)
  },
  threads: [
    [(cpu) => cpu.move(firstPage, 1, far)],
    [(cpu) => cpu.store(firstPage + 8, 42)],
    [(cpu) => cpu.store(far + 8, 43)],
  ],
  pages: [firstPage + 8, far, far + 8],
})
