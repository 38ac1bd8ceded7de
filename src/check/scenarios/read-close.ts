// A file is read by one thread as the thread that has opened it closes it: nothing else keeps it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage } from './pages.ts'

export default kernelScenario({
  title: 'reading of an open file, and its end',
  setup: (cpu) => {
    cpu.fillDisk(1, 5)
    cpu.mapPages(firstPage, 1)
    cpu.openForAll()
  },
  threads: [[(cpu) => cpu.closeOpened()], [(cpu) => cpu.readOpened(0)]],
  pages: [firstPage],
})
