// Two write-backs of a page, of which the first to come to the disk fails: the page stays dirty until it is written,
// and the error is told once.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'write-back that fails',
  setup: (cpu) => {
    cpu.fillDisk(2, 5)
    cpu.mapDisk(firstPage, 2)
    cpu.add(firstPage, 1)
    cpu.load(warmPage)
    cpu.failNext(0, 1)
  },
  threads: [
    [(cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.onDisk(0)],
    [(cpu) => cpu.pageOut(firstPage)],
  ],
  pages: [firstPage, warmPage],
})
