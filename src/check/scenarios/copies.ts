// Copy on write, and fork.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

let child: ScenarioCpu

export default kernelScenarios({
  // Copy on write of the zero page, and munmap.
  'zero-page-cow-munmap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      for (const each of all) each.load(firstPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // fork, and a write in the parent to a present page: the child has the page from before or after, and the parent
  // keeps what it wrote.
  'fork-fault': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.fork(firstPage, warmPage)], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // fork, a copy on write that it causes, and a thread that still has the old translation: its write must not go to the
  // page that was just copied (race R1).
  'fork-cow-access': {
    setup: (_cpu, all) => {
      all[2]!.mapPages(firstPage, 1)
      all[2]!.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.fork()], [(cpu) => cpu.add(firstPage, 1, 1)], [(cpu) => cpu.add(firstPage, 1)]],
    pages: [firstPage],
  },
  // Two writes to one page that shows the zero page: each makes a copy, one is installed, the other is freed.
  'cow-fault': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      for (const each of all) each.load(firstPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
    pages: [firstPage],
  },
  // Copy on write of the zero page, and a CPU that holds a translation of it.
  'cow-access': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      for (const each of all) each.load(firstPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.load(firstPage, 1)]],
    pages: [firstPage],
  },
  // Copy on write, another CPU that writes to the copy and announces it, and a third that still has the translation of
  // the zero page: this must be gone before anyone can write to the copy.
  'cow-order': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      for (const each of all) each.store(warmPage, 0)
      for (const each of all) each.load(firstPage)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1, 1)],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(warmPage, 1)],
      [(cpu) => (cpu.add(warmPage, 0) === 1 ? cpu.load(firstPage) : 'too early')],
    ],
  },
  // A copy on write of a page that a child shares. Meanwhile the child exits, another thread of the parent writes to
  // the page, which the parent now owns, and mprotect removes the write permission of the entry again: the entry looks
  // as it did when the copy began (race R3).
  'cow-reused-page': {
    setup: (_cpu, all) => {
      all[1]!.mapPages(firstPage, 1)
      all[1]!.store(firstPage, 7)
      child = all[1]!.forkAndKeep()
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [
        () => child.exit(),
        (cpu) => cpu.add(firstPage, 9, 1),
        (cpu) => cpu.protect(firstPage, 1, 'r'),
        (cpu) => cpu.protect(firstPage, 1, 'rw'),
      ],
    ],
    pages: [firstPage],
  },
  // A fork of an address space in which the OOM reaper has been: a child would get zeros in place of the parent's data.
  'reap-fork': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
    },
    threads: [
      [
        (cpu) => {
          // While fork is at work, the reaper does nothing; what the parent has afterwards is not asked.
          cpu.reap()
          return 'done'
        },
      ],
      [(cpu) => cpu.fork(firstPage)],
    ],
    pages: [],
  },
})
