// What is mapped, as the page table remembers it, beside calls that change it.

import type { ScenarioCpu } from '../kernel-scenario.ts'
import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** What a page table covers. */
const run = 512
const target = firstPage + 8
const anew = firstPage + 2 * run

let child: ScenarioCpu

export default kernelScenarios({
  // A fault that looks its mapping up anew, as mprotect has just been there, and another mprotect: it must not keep for
  // later faults what it saw before.
  'protect-refill': {
    setup: (cpu) => {
      fourPages(cpu)
      cpu.protect(firstPage, 4, 'r')
      cpu.protect(firstPage, 4, 'rw')
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(firstPage + 2, 44)],
      [(cpu) => cpu.protect(firstPage, 4, 'r'), (cpu) => cpu.load(firstPage + 3)],
    ],
  },
  // The first faults in what a page table covers, and munmap of all of it: a table that is linked when munmap has
  // looked would be left behind (race R5).
  'link-unmap': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.load(firstPage + run)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 2 * run)]],
    pages: [firstPage, firstPage + run],
  },
  // The same where tables are freed after an interrupt to every CPU.
  'link-unmap-interrupts': {
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.load(firstPage + run)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 2 * run)]],
    pages: [firstPage, firstPage + run],
  },
  // Faults in a heap that grows: the pages that were there stay what they were.
  'grow-fault': {
    setup: (cpu) => {
      cpu.startHeap(firstPage)
      cpu.heap(2)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(warmPage, 42), (cpu) => cpu.store(firstPage + 2, 43)],
      [(cpu) => cpu.heap(3)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // A copy on write, and mprotect that takes the right to write away and gives it back: the entry looks as it did.
  'cow-toggle': {
    setup: (_cpu, all) => {
      all[1]!.mapPages(firstPage, 2)
      all[1]!.store(firstPage, 7)
      child = all[1]!.forkAndKeep()
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1, 1)],
      [
        (cpu) => cpu.protect(firstPage, 2, 'r'),
        () => child.exit(),
        (cpu) => cpu.protect(firstPage, 2, 'rw'),
        (cpu) => cpu.add(firstPage, 1),
      ],
    ],
  },
  // Two writes to a page, and fork, which shares it with a child: what one of them writes by the translation from
  // before must not go to the page that the other has just copied (race R1).
  'two-writes-fork': {
    setup: (_cpu, all) => {
      all[1]!.mapPages(firstPage, 1)
      all[1]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1, 1)],
      [(cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.forkOnly()],
    ],
    pages: [firstPage],
  },
  // munmap, which gives half of the mmap lock up before it is done: who has found the page gone does not
  // find it again.
  'hole-seen': {
    setup: fourPages,
    threads: [
      [(cpu) => cpu.unmap(firstPage, 1)],
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.store(firstPage, 42), (cpu) => cpu.load(firstPage)],
    ],
  },
  // A read of a shared file beside the first fault in a third mapping of the same page table, which has slots for two:
  // what the fault reads of the one may be mixed with what is written of the other.
  'three-mappings': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.mapPages(warmPage, 1)
      cpu.mapPages(firstPage + 2, 1, 'rwx')
      cpu.store(warmPage, 7)
      cpu.load(firstPage)
      cpu.discard(firstPage, 2)
    },
    threads: [
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.store(warmPage, 43)],
      [(cpu) => cpu.load(firstPage + 2)],
    ],
  },
  // The first write to a mapping, and munmap of it: it gets no anon_vma any more.
  'first-write-munmap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage, 1, 'rwx')
      cpu.load(warmPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A write, and mremap that leaves the mapping behind without its anon_vma, which then gets another.
  'dontunmap-store': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, 2, target, true), (cpu) => cpu.store(warmPage, 43)],
    ],
    pages: [firstPage, warmPage, target, target + 1],
  },
  // A fault that maps what is around it of a file, and munmap of some of that.
  'around-unmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 3)
      for (const page of [firstPage, warmPage, firstPage + 2]) cpu.load(page)
      cpu.discard(firstPage, 3)
    },
    threads: [
      [(cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.unmap(warmPage, 2), (cpu) => cpu.load(firstPage)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // A write to a page of a file that is not cached, and munmap, with which the mapping gives the file up: the fault may
  // bring the page in with nothing held but the file (race R20).
  'bring-in-unmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A fault by a page table that mremap moves, and one at the place where it is then.
  'moved-slot': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, run)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew, 43)],
    ],
    pages: [firstPage, anew, anew + 1],
  },
  // The first write to a mapping, which gets its anon_vma, and one that makes it part of the mapping in front, which
  // has another.
  'first-write-merge': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(warmPage, 1, 'r')
      cpu.load(warmPage)
      cpu.mapPages(firstPage + 2, 1)
    },
    threads: [
      [(cpu) => cpu.store(firstPage + 2, 42)],
      [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.store(warmPage, 43)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
})
