// mprotect takes away the right to read a page, by its protection key: no CPU can read it any more when it has
// returned. The instruction fetch leaves a translation that is for no load, and that must not outlive the second
// mprotect. The load of the other CPU meets the key, or not, in every state that lies between.

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'loads and instruction fetches beside mprotect to what may only be executed',
  config: { X86_INTEL_MEMORY_PROTECTION_KEYS: true },
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2, 'rwx')
    cpu.store(firstPage, 6)
    cpu.store(warmPage, 7)
  },
  threads: [
    [(cpu) => cpu.load(firstPage)],
    [
      (cpu) => cpu.protect(firstPage, 1, 'x'),
      (cpu) => cpu.fetch(firstPage),
      (cpu) => cpu.load(firstPage),
      (cpu) => cpu.protect(firstPage, 1, 'rw'),
    ],
  ],
  pages: [firstPage, warmPage],
})
