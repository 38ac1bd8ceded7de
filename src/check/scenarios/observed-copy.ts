// A copy on write, and an observer that is registered while it is under way: once the program sees the new page, the
// observer must not show the old one (race R17).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'copy on write beside an observer that is registered',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
    cpu.load(firstPage)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 42)],
    [
      (cpu) => cpu.register(),
      (cpu) => cpu.observe(firstPage),
      (cpu) => cpu.add(firstPage, 1),
      (cpu) => cpu.observe(firstPage),
    ],
  ],
  pages: [firstPage],
})
