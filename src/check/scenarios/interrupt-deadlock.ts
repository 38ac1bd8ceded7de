// The deadlock of interrupts (race R11): one CPU holds the page-table lock and waits until the other has flushed its
// TLB, the other wants the lock while it must not answer. Page tables are freed here after an interrupt and not
// through RCU, so that the speculative walk runs with interrupts disabled; therefore it only tries the lock.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write, which flushes under the page-table lock, and a fault in the same table',
  config: { MMU_GATHER_RCU_TABLE_FREE: false },
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 4)
    cpu.store(warmPage, 7)
    for (const each of all) each.load(firstPage)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(firstPage + 2, 43)]],
  pages: [firstPage, firstPage + 2],
})
