// The number of the VMA caches comes round while a thread has a VMA in its cache (CVE-2018-17182): it must not be taken
// for the number of before.

import { Mm } from '../../kernel/index.ts'
import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault by a VMA cache whose number has come round',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
    // CPU 1 keeps the VMA in its cache, with the number of now.
    all[1]!.load(firstPage)
    all[1]!.discard(firstPage, 1)
    // What nearly 2^32 removals do: the next one makes the number what it was.
    const { heap } = cpu.task
    heap[cpu.mm + Mm.vmacacheSeqnum]!--
    heap[cpu.mm + Mm.vmacacheTurns]!++
  },
  threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.load(firstPage)]],
  pages: [firstPage, warmPage],
  numbers: 'own',
})
