// What is mapped, as the page table remembers it, beside calls that change it.

import { LEAF_SLOTS } from '../../kernel/index.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import type { Outcome } from '../scenario-cpu/outcome.ts'
import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

/** What a page table covers. */
const run = 512
const target = firstPage + 8
const anew = firstPage + 2 * run

let child: ScenarioCpu

/** Maps page number `beside`, so that it becomes no part of the mappings beside it. */
function mapUnlikeNeighbours(cpu: ScenarioCpu, beside: number): Outcome {
  return cpu.mapPages(firstPage + beside, 1, beside % 2 === 0 ? 'rw' : 'rwx')
}

export default kernelScenarios({
  // A fault that looks its mapping up anew, as fork has just been there, and mprotect: it must not keep for later
  // faults what it saw before.
  'protect-refill': {
    setup: (cpu) => {
      fourPages(cpu)
      cpu.fork()
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
  // munmap, which gives half of the mmap lock up before it is done: who has found a page of the range gone brings
  // none of it in any more. (What is there already can still be reached, until munmap has come to it.)
  'hole-seen': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage, 2 * run)],
      [(cpu) => cpu.load(firstPage + run), (cpu) => cpu.store(firstPage, 42)],
    ],
    pages: [firstPage, firstPage + run],
  },
  // A read of a shared file beside one mapping more in the same page table than it has slots for: what the fault reads
  // of the one may be mixed with what is written of the other.
  'one-mapping-more': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.load(firstPage)
      cpu.discard(firstPage, 1)
      for (let beside = 1; beside < LEAF_SLOTS; beside++) mapUnlikeNeighbours(cpu, beside)
    },
    threads: [
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.store(warmPage, 43)],
      [(cpu) => mapUnlikeNeighbours(cpu, LEAF_SLOTS), (cpu) => cpu.load(firstPage + LEAF_SLOTS)],
    ],
    pages: [firstPage, warmPage, firstPage + LEAF_SLOTS],
  },
  // The first fault in what a page table covers, which looks at the mapping beside its own too, and munmap of that one.
  'first-fault-neighbour': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage, 1, 'rwx')
    },
    threads: [
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.load(warmPage)],
      [(cpu) => cpu.unmap(warmPage, 1), (cpu) => cpu.load(firstPage)],
    ],
    pages: [firstPage, warmPage],
  },
  // Faults in a mapping that takes in a page beside it: it may be touched as soon as mprotect has changed its entry.
  'grow-protect': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(warmPage, 2, 'r')
      cpu.load(warmPage)
    },
    threads: [
      [(cpu) => cpu.store(warmPage, 42), (cpu) => cpu.load(firstPage + 2)],
      [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.store(warmPage, 43, 1)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // What a thread has found at its last fault is gone, and another mapping is in the place: the thread must not go by
  // it, nor need the mmap lock to find out.
  'guess-remapped': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.mapPages(firstPage + 2, 1)
      cpu.store(firstPage, 5)
      cpu.store(firstPage + 2, 7)
      cpu.load(warmPage)
      cpu.discard(firstPage, 2)
    },
    threads: [
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.store(warmPage, 43)],
      [
        (cpu) => cpu.unmap(firstPage, 2),
        (cpu) => cpu.mapPages(firstPage, 2),
        (cpu) => cpu.store(firstPage, 42, 1),
      ],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
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
      // The thread has nothing to guess by then but the slot.
      cpu.mapPages(firstPage - 2, 1)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew + 2, 43)],
    ],
    pages: [firstPage, anew, anew + 1, anew + 2],
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
  // The same of one that comes between the two, and may make all three one.
  'first-write-bridge': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(firstPage + 2, 1)
    },
    threads: [
      [(cpu) => cpu.store(firstPage + 2, 42)],
      [(cpu) => cpu.mapPages(warmPage, 1), (cpu) => cpu.store(warmPage, 43)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // The first writes in two mappings side by side, of which either may take over the anon_vma of the other, beside
  // what makes them one.
  'first-writes-merge': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage, 1, 'r')
      cpu.load(firstPage)
      cpu.load(warmPage)
      cpu.protect(warmPage, 1, 'rwx')
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.store(warmPage, 43), (cpu) => cpu.protect(warmPage, 1, 'rw')],
    ],
    pages: [firstPage, warmPage],
  },
  // MADV_DONTNEED of the pages of one mapping, and munmap of all that their page table covers, of which the table is
  // taken away meanwhile.
  'discard-unlinked-table': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 6)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 2)],
      [
        (cpu) => cpu.unmap(firstPage, 4),
        (cpu) => cpu.mapPages(firstPage, 4),
        (cpu) => cpu.store(firstPage, 42),
        (cpu) => cpu.load(firstPage),
      ],
    ],
  },
  // The same, and mprotect, which finds no entry: no CPU may use an old translation when it returns.
  'discard-then-protect': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 6)
    },
    threads: [[(cpu) => cpu.protect(firstPage, 1, 'r')], [(cpu) => cpu.discard(firstPage, 1)]],
  },
  // The same, and mremap that moves the page table: what is written at the new place stays.
  'discard-moved-table': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, run)
      cpu.store(firstPage, 6)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew, 42), (cpu) => cpu.load(anew)],
    ],
    pages: [firstPage, anew],
  },
  // MADV_FREE of the pages of one mapping, and mremap that moves the page table.
  'free-moved-table': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapMany(firstPage, run)
      cpu.store(firstPage, 6)
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'free')],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew, 42), (cpu) => cpu.pageOut(anew)],
    ],
    pages: [firstPage, anew],
  },
  // MADV_DONTNEED of two mappings, of which the second is locked in memory meanwhile.
  'discard-locked-neighbour': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage, 1, 'rwx')
      cpu.store(firstPage, 6)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 2)],
      [(cpu) => cpu.lock(warmPage, 1), (cpu) => cpu.store(warmPage, 42), (cpu) => cpu.load(warmPage)],
    ],
    pages: [firstPage, warmPage],
  },
  // MADV_DONTNEED of a page, of which an observer that is registered meanwhile has looked up where it is.
  'discard-registering': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [(cpu) => cpu.register(), (cpu) => cpu.observe(firstPage), (cpu) => cpu.observe(firstPage)],
    ],
    pages: [firstPage],
  },
  // The same of MADV_FREE: an observer that hears of no beginning hears of no end (race R18).
  'free-registering': {
    setup: (cpu) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'free')],
      [(cpu) => cpu.register(), (cpu) => cpu.observe(firstPage)],
    ],
    pages: [firstPage],
  },
  // mincore of a page of a file, which nothing but its mapping keeps, and munmap of that.
  'resident-munmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.resident(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage, warmPage],
  },
  // The same where there is no page table to be locked.
  'resident-untouched-munmap': {
    setup: (cpu) => void cpu.mapFile(firstPage, 1, 'rw', true),
    threads: [[(cpu) => cpu.resident(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
  },
  // mincore of pages of one mapping, and mremap that moves their page table: they are there, or not mapped.
  'resident-moved-table': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, run)
      cpu.store(firstPage, 6)
    },
    threads: [
      [(cpu) => cpu.resident(firstPage, 2)],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew + 1, 42)],
    ],
    pages: [firstPage, anew, anew + 1],
  },
  // The same of a call that brings a page in.
  'populate-moved-table': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, run)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.advise(firstPage, 1, 'populate-read')],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.load(anew)],
    ],
    pages: [firstPage, anew, anew + 1],
  },
  // Faults in two mappings of one page table, each of which has a slot there, and munmap of both.
  'two-slots-munmap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.mapPages(firstPage + 2, 2, 'rwx')
      cpu.store(warmPage, 7)
      cpu.store(firstPage + 3, 8)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(firstPage + 2, 43)],
      [(cpu) => cpu.unmap(firstPage, 4)],
    ],
    pages: [firstPage, firstPage + 2],
  },
  // A fault on a page of a file, in whose place another file is mapped, alike in all else.
  'remap-file': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.store(firstPage, 5)
      cpu.discard(firstPage, 1)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.mapFile(firstPage, 1, 'rw', true), (cpu) => cpu.add(firstPage, 10)],
    ],
  },
  // The same of another part of the same file, of which the page in front is touched.
  'remap-part': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(warmPage, 2)
      cpu.load(warmPage)
      cpu.load(warmPage + 1)
      cpu.discard(warmPage, 2)
    },
    threads: [
      [(cpu) => cpu.add(warmPage, 1)],
      [(cpu) => cpu.mapDisk(firstPage, 2), (cpu) => cpu.add(firstPage, 10)],
    ],
  },
  // A fault in a mapping that is locked as it is touched, and mremap that leaves the mapping behind: all of it is
  // locked no more, also in another page table.
  'dontunmap-locked': {
    setup: (cpu) => {
      cpu.mapPages(firstPage - 2, 4)
      cpu.lock(firstPage - 2, 4, true)
      cpu.store(firstPage - 2, 7)
      cpu.store(firstPage, 8)
    },
    threads: [[(cpu) => cpu.store(warmPage, 42)], [(cpu) => cpu.move(firstPage - 2, 1, target, true)]],
    pages: [firstPage - 2, warmPage, target],
  },
  // A fault, and advice that is a flag of the mapping, in the middle of three page tables.
  'advise-fault': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 3 * run)
      cpu.store(firstPage + run, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage + run + 1, 42)],
      [(cpu) => cpu.advise(firstPage, 3 * run, 'random'), (cpu) => cpu.load(firstPage + run + 2)],
    ],
    pages: [firstPage + run, firstPage + run + 1],
  },
  // The first fault in what a page table covers, and mremap of all of it: the table is linked before, and moves, or
  // not at all.
  'link-move': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, run)
      cpu.mapPages(firstPage - 1, 1)
      cpu.store(firstPage - 1, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, run, anew), (cpu) => cpu.store(anew + 1, 43)],
    ],
    pages: [firstPage, anew, anew + 1],
  },
  // The first fault in what a page table covers, and fork.
  'link-fork': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.store(firstPage + run, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.fork(firstPage, firstPage + run)]],
    pages: [firstPage, firstPage + run],
  },
})
