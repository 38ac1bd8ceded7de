// A lookup without the lock, and a VMA that goes away: it is freed after a grace period, that is, when the CPU that
// may be looking at it has left. The second call runs what waits for that. There are no page tables, whose teardown
// would wait for that CPU too.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a lookup and a VMA that is freed through RCU',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.mapPages(warmPage + 1, 1, 'r')
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.unmap(warmPage, 1)],
  ],
  pages: [firstPage, warmPage + 1],
})
