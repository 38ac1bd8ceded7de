// A copy on write of a page that a child shares. Meanwhile the child exits, another thread of the parent writes to the
// page, which is its own by now, and mprotect takes the write permission of the entry away again: it looks as it did
// when the copy began (race R3).

import { type ScenarioCpu, kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

let child: ScenarioCpu

export default kernelScenario({
  title: 'copy on write of a page that becomes another thread’s own meanwhile',
  setup: (_cpu, all) => {
    all[1]!.mapPages(firstPage, 1)
    all[1]!.store(firstPage, 7)
    child = all[1]!.forkAndKeep()
  },
  threads: [
    [(cpu) => cpu.store(firstPage, 42)],
    [
      () => child.exit(),
      (cpu) => cpu.add(firstPage, 9, 1),
      (cpu) => cpu.protect(firstPage, 1, 'r'),
      (cpu) => cpu.protect(firstPage, 1, 'rw'),
    ],
  ],
  pages: [firstPage],
})
