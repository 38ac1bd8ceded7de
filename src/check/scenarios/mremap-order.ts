// mremap, a CPU that reaches the page at its new place and says so, and a third that held a translation of the old one: the
// page must not be reachable there any more (CVE-2018-18281).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const target = firstPage + 8
const flag = firstPage + 16

export default kernelScenario({
  title: 'mremap, an access at the new place, and then one at the old',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 1)
    cpu.mapPages(flag, 1)
    for (const each of all) each.store(flag, 0)
    for (const each of all) each.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.move(firstPage, 1, target)],
    [(cpu) => cpu.add(target, 1), (cpu) => cpu.add(flag, 1)],
    [(cpu) => cpu.add(flag, 0), (cpu) => cpu.add(firstPage, 1)],
  ],
  pages: [firstPage, target],
})
