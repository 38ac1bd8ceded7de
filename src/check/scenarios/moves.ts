// mremap.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

const target = firstPage + 8

/** What a page table covers. */
const pages = 512

const farTarget = firstPage + 2 * pages

let child: ScenarioCpu

const elsewhere = farTarget + 2 * pages
const nearTarget = firstPage + 8

export default kernelScenarios({
  // mremap, and a fault at the new address: mremap would overwrite a page that the fault installs before the entries
  // arrive (race R2).
  'mremap-fault': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(target, 2)
      cpu.store(target + 1, 8)
    },
    threads: [[(cpu) => cpu.store(target, 42)], [(cpu) => cpu.move(firstPage, 1, target)]],
    pages: [firstPage, target, warmPage],
  },
  // mremap, and accesses at the old address: a translation that outlives the move would reach the page at its new
  // address.
  'mremap-access': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 1)
      for (const each of all) each.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.move(firstPage, 1, target), (cpu) => cpu.load(target)],
    ],
    pages: [firstPage, target],
  },
  // mremap that grows and shrinks a mapping in place, and faults in the pages that stay and in those that do not.
  'mremap-resize': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(firstPage + 2, 43)],
      [(cpu) => cpu.resize(firstPage, 2, 3), (cpu) => cpu.resize(firstPage, 3, 1)],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // mremap that leaves the old mapping behind (MREMAP_DONTUNMAP), and accesses there: when it has returned, no
  // translation may reach the page that has moved.
  'mremap-dontunmap': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 1)
      for (const each of all) each.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
      [(cpu) => cpu.move(firstPage, 1, target, true)],
    ],
    pages: [firstPage, target],
  },
  // A copy on write in a page table that mremap moves as a whole. A child shares the page and unmaps it: then nobody
  // may reach the old page through the new address (race R4). The child unmaps only that page, as unmapping more would
  // flush the whole TLB. The access to the next page finds the table locked, and waits.
  'move-table': {
    setup: (_cpu, all) => {
      all[1]!.mapMany(firstPage, pages)
      all[1]!.store(firstPage, 7)
      child = all[1]!.forkAndKeep()
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42, 1)],
      [
        (cpu) => cpu.move(firstPage, pages, farTarget),
        (cpu) => cpu.load(farTarget),
        (cpu) => cpu.load(farTarget + 1),
        () => child.unmap(firstPage, 1),
        () => child.exit(),
      ],
    ],
    pages: [firstPage, farTarget],
  },
  // A fault in a page table that mremap has moved as a whole, when the VMA of its old address is gone.
  'moved-table-faults': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, pages)
      cpu.store(firstPage, 7)
      cpu.mapPages(elsewhere, 3)
    },
    threads: [
      [
        (cpu) => cpu.move(firstPage, pages, farTarget),
        // A call at whose end the VMA of the old place may be freed.
        (cpu) => cpu.unmap(elsewhere + 2, 1),
        (cpu) => cpu.load(elsewhere),
        (cpu) => cpu.load(farTarget + 1),
      ],
      [(cpu) => cpu.load(elsewhere + 1)],
    ],
    pages: [firstPage, farTarget],
  },
  // mremap, and a first fault at the old address: an entry that it installs after the others have moved belongs to a
  // mapping that is gone (race R2).
  'mremap-source': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
      cpu.mapPages(nearTarget + 2, 1)
      cpu.store(nearTarget + 2, 8)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.move(firstPage, 2, nearTarget)]],
    pages: [firstPage, warmPage, nearTarget, nearTarget + 1],
  },
  // A fault in a mapping that loses its anon_vma to mremap(MREMAP_DONTUNMAP), and munmap of the neighbour whose
  // anon_vma might be shared instead (race R23).
  'dontunmap-neighbour': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(warmPage, 1, 'rwx')
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8, true), (cpu) => cpu.unmap(warmPage, 1)],
    ],
    pages: [firstPage, warmPage, firstPage + 8],
  },
  // mremap whose new range merges with the mapping in front of it, and a store there.
  'mremap-merge': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.store(firstPage, 7)
      cpu.mapPages(firstPage + 4, 1)
      cpu.store(firstPage + 4, 8)
    },
    threads: [[(cpu) => cpu.move(firstPage, 1, firstPage + 5)], [(cpu) => cpu.store(firstPage + 5, 42)]],
    pages: [firstPage, firstPage + 4, firstPage + 5],
  },
  // Reclaim of a page at its old address, and mremap of it: the moved entry may be that of a page whose translation is
  // not flushed yet.
  'reclaim-mremap': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[2]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.pageOut(firstPage)],
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.add(firstPage + 8, 1)],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
    pages: [firstPage, warmPage, firstPage + 8],
  },
  // mremap of a page, reclaim of it at its new address, and a CPU that still has the translation of the old one
  // (CVE-2018-18281).
  'mremap-reclaim': {
    setup: (cpu, all) => {
      cpu.startSwap(2)
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
      all[2]!.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8)],
      [(cpu) => cpu.pageOut(firstPage + 8)],
      [(cpu) => cpu.add(firstPage, 1)],
    ],
    pages: [firstPage, warmPage, firstPage + 8],
  },
})
