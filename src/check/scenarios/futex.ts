// Waiting for words of memory, and waking.

import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

export default kernelScenarios({
  // A thread waits for a word that another changes, and is woken, whichever comes first.
  'futex-wake': {
    setup: (cpu) => {
      fourPages(cpu)
      cpu.store(firstPage, 1)
    },
    threads: [[(cpu) => cpu.waitWord(firstPage, 1)], [(cpu) => cpu.wakeWord(firstPage)]],
  },
  // Two threads wait for two words, and one that changes both wakes both.
  'futex-two': {
    setup: (cpu) => {
      fourPages(cpu)
      cpu.store(firstPage, 1)
    },
    threads: [
      [(cpu) => cpu.waitWord(firstPage, 1)],
      [(cpu) => cpu.waitWord(warmPage, 7)],
      [(cpu) => cpu.wakeWord(warmPage), (cpu) => cpu.wakeWord(firstPage)],
    ],
  },
})
