// A fault in one address space; the other CPU unmaps its VMA, which becomes a VMA of a second address space, and takes
// that down. The fault may hold, and give back, a VMA of an address space that is gone (race R25). There are no page
// tables, whose teardown would wait for the fault.

import { type ScenarioCpu, kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

let second: ScenarioCpu

export default kernelScenario({
  title: 'a fault, and its VMA recycled in an address space that goes away',
  setup: (cpu, all) => {
    all[1]!.mapPages(firstPage, 1)
    cpu.mapPages(warmPage + 1, 1)
    second = all[1]!.newSpace()
  },
  threads: [
    [(cpu) => cpu.load(firstPage)],
    [
      (cpu) => cpu.unmap(firstPage, 1),
      () => second.mapPages(firstPage, 1),
      () => second.unmap(firstPage, 1),
      () => second.exit(),
    ],
  ],
  pages: [firstPage, warmPage + 1],
})
