// Mappings that the page table records, and calls that change them.

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
  // A fault that looks its mapping up again because fork was just there, and mprotect: it must not cache the old state
  // for later faults.
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
  // The first faults under a page table, and munmap of all that it covers: a table that a fault links after munmap has
  // looked would be left behind (race R5).
  'link-unmap': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.load(firstPage + run)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 2 * run)]],
    pages: [firstPage, firstPage + run],
  },
  // The same with tables that are freed after an interrupt to every CPU.
  'link-unmap-interrupts': {
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.load(firstPage + run)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 2 * run)]],
    pages: [firstPage, firstPage + run],
  },
  // Faults in a heap that grows: the earlier pages keep their contents.
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
  // A copy on write, and mprotect that removes the write permission and restores it: the entry looks unchanged.
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
  // Two writes to a page, and fork, which shares it with a child: a write by an old translation must not go to the page
  // that the other write has just copied (race R1).
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
  // munmap, which downgrades the mmap lock before it is done: a CPU that has found a page of the range missing can no
  // longer bring any of its pages in. (Pages that munmap has not reached yet stay accessible.)
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
  // A read of a shared file, and one more mapping in the page table than it has slots: the fault may mix what it reads
  // of one mapping with what is written of the other.
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
  // The first fault under a page table, which also looks at the adjacent mapping, and munmap of that one.
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
  // Faults in a mapping that grows by an adjacent page: this page is accessible as soon as mprotect has changed its
  // entry.
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
  // The mapping of a thread's last fault is gone, and another is in its place: the thread must not rely on the old one,
  // nor need the mmap lock to find out.
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
  // The first write to a mapping, and munmap of it: after that it gets no anon_vma.
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
  // A fault that maps the surrounding pages of a file, and munmap of some of them.
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
  // A write to a page of a file that is not cached, and munmap, which drops the mapping's reference on the file: the
  // fault may read the page while it holds only the file (race R20).
  'bring-in-unmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A fault through a page table that mremap moves, and one at the new address.
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
  // The first write to a mapping, which gets its anon_vma, and a call that merges it with the mapping in front, which
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
  // The same with a mapping that fills the gap between the two, and may merge all three.
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
  // The first writes in two adjacent mappings, each of which may take over the anon_vma of the other, and a call that
  // merges them.
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
  // MADV_DONTNEED of the pages of one mapping, and munmap of all that their page table covers, which unlinks the table
  // meanwhile.
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
  // The same, and mremap that moves the page table: what is written at the new address stays.
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
  // MADV_DONTNEED of two mappings; meanwhile the second is locked in memory.
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
  // MADV_DONTNEED of a page, and an observer that registers meanwhile and has looked the page up.
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
  // The same with MADV_FREE: an observer that sees no beginning of the invalidation sees no end (race R18).
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
  // mincore of a page of a file that only its mapping keeps, and munmap of the mapping.
  'resident-munmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.resident(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage, warmPage],
  },
  // The same without a page table to lock.
  'resident-untouched-munmap': {
    setup: (cpu) => void cpu.mapFile(firstPage, 1, 'rw', true),
    threads: [[(cpu) => cpu.resident(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
  },
  // mincore of pages of one mapping, and mremap that moves their page table: mincore finds them, or finds no mapping.
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
  // A fault on a page of a file, and another file that is mapped in its place, with all else equal.
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
  // The same with another part of the same file, after an access to the page in front.
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
  // A fault in a mapping that locks pages on fault, and mremap that leaves the mapping behind: no page of it stays
  // locked, also not in another page table.
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
  // A fault, and advice that sets a flag of the mapping, in the middle of three page tables.
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
  // The first fault under a page table, and mremap of all that it covers: the fault links the table before and it
  // moves, or does not link it.
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
  // The first fault under a page table, and fork.
  'link-fork': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 2 * run)
      cpu.store(firstPage + run, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.fork(firstPage, firstPage + run)]],
    pages: [firstPage, firstPage + run],
  },
})
