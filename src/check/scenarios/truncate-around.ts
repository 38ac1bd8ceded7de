// A fault that maps what is cached around it, and ftruncate that cuts part of that off.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'fault-around and truncation',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.keepFile(firstPage)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
    cpu.discard(firstPage, 2)
  },
  threads: [[(cpu) => cpu.load(firstPage), (cpu) => cpu.load(warmPage)], [(cpu) => cpu.truncate(1)]],
  pages: [firstPage, warmPage],
})
