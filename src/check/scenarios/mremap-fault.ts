// mremap, and a fault at the place to which it moves: a page that is installed there before the entries arrive would
// be overwritten (race R2).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

const target = firstPage + 8

export default kernelScenario({
  title: 'mremap and a fault at its destination',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 1)
    cpu.store(firstPage, 7)
    cpu.mapPages(target, 2)
    cpu.store(target + 1, 8)
  },
  threads: [[(cpu) => cpu.store(target, 42)], [(cpu) => cpu.move(firstPage, 1, target)]],
  pages: [firstPage, target, warmPage],
})
