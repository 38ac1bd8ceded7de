// A page is there, clean and locked by nobody: a write, by which hardware makes it dirty, while mlock marks it.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a first write to a page of a file, and mlock of it',
  setup: (cpu) => {
    cpu.mapFile(firstPage, 2, 'rw', true)
    cpu.load(firstPage)
    cpu.store(warmPage, 7)
  },
  threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.lock(firstPage, 2)]],
  pages: [firstPage, warmPage],
})
