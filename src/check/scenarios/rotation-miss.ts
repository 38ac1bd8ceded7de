// A fault in the VMA that a rotation of the tree lifts over its parent: a walk that stands at the parent finds nothing
// behind it (race R33).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault and a rotation that hides its VMA from a walk',
  setup: (cpu, all) => {
    for (const place of [0, 2, 4, 6]) cpu.mapPages(firstPage + place, 1)
    // By the other CPU, so that the VMA cache of the first knows nothing.
    all[1]!.store(firstPage + 6, 7)
    all[1]!.discard(firstPage + 6, 1)
  },
  threads: [[(cpu) => cpu.store(firstPage + 6, 42)], [(cpu) => cpu.mapPages(firstPage + 8, 1)]],
  pages: [firstPage + 6, firstPage + 8],
})
