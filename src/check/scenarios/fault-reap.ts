// A fault on a page, beside a thread that stores there and the OOM reaper: what was stored is read again, or the access
// is refused. It is never zeros that a fault has filled in after the reaper (race R35).

import { kernelScenario } from '../kernel-scenario.ts'
import { firstPage, warmPage } from './pages.ts'

export default kernelScenario({
  title: 'a fault, a store and the OOM reaper',
  setup: (cpu) => {
    cpu.mapPages(firstPage, 2)
    cpu.store(warmPage, 8)
  },
  threads: [
    [(cpu) => cpu.add(firstPage, 0)],
    [(cpu) => cpu.add(firstPage, 9), (cpu) => cpu.add(firstPage, 0)],
    [(cpu) => cpu.reap()],
  ],
  pages: [firstPage, warmPage],
})
