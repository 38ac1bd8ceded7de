// Counters that wrap.

import { Mm } from '../../kernel/index.ts'
import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import { lockNumberComesRound } from '../near-wrap.ts'

export default kernelScenarios({
  // The number of the VMA caches wraps while a thread has a VMA in its cache (CVE-2018-17182): it must not be taken for
  // the earlier number.
  'vmacache-wrap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      // CPU 1 keeps the VMA in its cache, with the number of now.
      all[1]!.load(firstPage)
      all[1]!.discard(firstPage, 1)
      // What nearly 2^32 removals do: the next one makes the number what it was.
      const { heap } = cpu.task
      heap[cpu.mm + Mm.vmacacheSeqnum]!--
      heap[cpu.mm + Mm.vmacacheTurns]!++
    },
    threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.load(firstPage)]],
    numbers: 'own',
  },
  // The lock number of the mm wraps to the one that a VMA has kept from its last write lock: a writer must still wait
  // for the fault in the VMA.
  'lock-number-wrap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      const odd = cpu.task.design.description.name === 'per-vma-refcount-2025'
      lockNumberComesRound(cpu.task.heap, cpu.mm, odd ? 1 : 0)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
    numbers: 'own',
  },
  // As lock-number-wrap, with the number changing only when the mmap lock is released: a fault enters before the number
  // is the VMA's, the next writer makes it so, and the one after that must still wait for the fault.
  'lock-number-wrap-late': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      lockNumberComesRound(cpu.task.heap, cpu.mm, 1)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.mapPages(firstPage + 16, 1), (cpu) => cpu.unmap(firstPage, 1)],
    ],
    numbers: 'own',
  },
  // The sequence count of the mm wraps between two reads by a fault: it must not be taken for unchanged.
  'sequence-wrap': {
    setup: fourPages,
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [
        // What 2^31 writers less one do.
        ({ task, mm }) => {
          Atomics.sub(task.heap, mm + Mm.mmapSeq, 2)
          Atomics.add(task.heap, mm + Mm.mmapSeqTurns, 1)
          return 'nearly round'
        },
        (cpu) => cpu.unmap(firstPage, 1),
      ],
    ],
    numbers: 'own',
  },
})
