// fork, a copy on write that it causes, and a thread that still has the translation from before: what that one writes
// must not go to the page that was just copied (race R1).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'fork, a copy on write, and a write through an older translation',
  setup: (_cpu, all) => {
    all[2]!.mapPages(firstPage, 1)
    all[2]!.store(firstPage, 7)
  },
  threads: [[(cpu) => cpu.fork()], [(cpu) => cpu.add(firstPage, 1, 1)], [(cpu) => cpu.add(firstPage, 1)]],
  pages: [firstPage],
})
