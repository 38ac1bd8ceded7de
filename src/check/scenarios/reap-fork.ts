// A fork of an address space that the OOM reaper has been in: a child would get zeros where the parent had its data.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'the OOM reaper, and fork',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(firstPage, 7)
    cpu.store(warmPage, 8)
  },
  threads: [
    [
      (cpu) => {
        // While fork is at work, the reaper does nothing; what the parent has afterwards is not asked.
        cpu.reap()
        return 'done'
      },
    ],
    [(cpu) => cpu.fork(firstPage)],
  ],
  pages: [],
})
