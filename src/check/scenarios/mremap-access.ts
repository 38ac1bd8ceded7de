// mremap, and accesses at the place from which it moves: a translation that outlives the move would reach the page at
// its new place.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

const target = firstPage + 8

export default kernelScenario({
  title: 'accesses to a page that is there and mremap of it',
  setup: (cpu, all) => {
    cpu.mapPages(firstPage, 1)
    for (const each of all) each.store(firstPage, 7)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    [(cpu) => cpu.move(firstPage, 1, target), (cpu) => cpu.load(target)],
  ],
  pages: [firstPage, target],
})
