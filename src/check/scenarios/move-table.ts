// A copy on write in a page table that mremap moves as a whole. The page that is copied is shared with a child, which
// unmaps it: nobody may reach the old page through the new place then (race R4). Only that page, as unmapping more
// would flush the whole TLB. The access to the page behind it finds the table locked, and waits.

import { type ScenarioCpu, kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

/** What a page table covers. */
const pages = 512
const target = firstPage + 2 * pages

let child: ScenarioCpu

export default kernelScenario({
  title: 'copy on write and mremap of a whole page table',
  setup: (_cpu, all) => {
    all[1]!.mapMany(firstPage, pages)
    all[1]!.store(firstPage, 7)
    child = all[1]!.forkAndKeep()
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42, 1)],
    [
      (cpu) => cpu.move(firstPage, pages, target),
      (cpu) => cpu.load(target),
      (cpu) => cpu.load(target + 1),
      () => child.unmap(firstPage, 1),
      () => child.exit(),
    ],
  ],
  pages: [firstPage, target],
})
