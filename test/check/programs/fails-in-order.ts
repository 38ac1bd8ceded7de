// A CPU whose operation fails when the other was faster.

import { kernelScenario } from '../../../src/check/kernel-scenario.ts'

const page = 0x1000

export default kernelScenario({
  setup: (cpu) => {
    cpu.mapPages(page, 1)
  },
  threads: [
    [
      (cpu) => {
        const before = cpu.add(page, 1)
        if (before !== 0) throw new Error(`${before} is too much`)
        return before
      },
    ],
    [(cpu) => cpu.add(page, 1)],
  ],
  pages: [page],
})
