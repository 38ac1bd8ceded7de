// Three CPUs that add to one word twice each.

import { kernelScenario } from '../../../src/check/kernel-scenario.ts'

const page = 0x1000
const twice = [
  (cpu: { add(page: number, value: number): number | string }) => cpu.add(page, 1),
  (cpu: { add(page: number, value: number): number | string }) => cpu.add(page, 1),
]

export default kernelScenario({
  setup: (cpu) => {
    cpu.mapPages(page, 1)
  },
  threads: [twice, twice, twice],
  pages: [page],
})
