// An observer of a page, beside a copy on write of it that may have to give up because the protection of the page
// changes: whoever hears of a beginning hears of the end (race R18), and nothing withdrawn is seen through it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'an observer beside a copy on write and mprotect',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 7)
    cpu.load(firstPage)
    cpu.register()
    cpu.observe(firstPage)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 42)],
    [(cpu) => cpu.protect(firstPage, 2, 'r'), (cpu) => cpu.observe(firstPage)],
  ],
  pages: [firstPage],
})
