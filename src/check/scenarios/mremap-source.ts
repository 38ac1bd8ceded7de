// mremap, and a first fault at the place from which it moves: an entry that is installed there after the others have
// moved belongs to a mapping that is gone (race R2).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

const target = firstPage + 8

export default kernelScenario({
  title: 'mremap and a fault at its source',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
    cpu.mapPages(target + 2, 1)
    cpu.store(target + 2, 8)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.move(firstPage, 2, target)]],
  pages: [firstPage, warmPage, target, target + 1],
})
