// Two CPUs that have a shared mapping of a file written back: what the second writes by an old translation between its
// own two calls is on disk after the second, whatever the first has just marked clean.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'msync beside a write and msync',
  setup: (cpu, all) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    for (const each of all) each.add(firstPage, 1)
    cpu.load(warmPage)
  },
  threads: [
    [(cpu) => cpu.sync(firstPage, 1)],
    [
      (cpu) => cpu.sync(firstPage, 1),
      (cpu) => cpu.add(firstPage, 1),
      (cpu) => cpu.sync(firstPage, 1),
      (cpu) => cpu.onDisk(0),
    ],
  ],
  pages: [firstPage, warmPage],
})
