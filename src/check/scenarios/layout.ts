// The layout of an address space: VMAs that are split, merged, looked up, recycled, and what they share.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

let second: ScenarioCpu

export default kernelScenarios({
  // mprotect splits a VMA and merges it again, during a fault in it.
  'split-merge-fault': {
    setup: fourPages,
    threads: [
      [(cpu) => cpu.store(firstPage + 2, 42)],
      [(cpu) => cpu.protect(warmPage, 1, 'r'), (cpu) => cpu.protect(warmPage, 1, 'rw')],
    ],
    pages: [firstPage, warmPage, firstPage + 2],
  },
  // Two writers: munmap and mmap(MAP_FIXED) of ranges that overlap.
  'munmap-mmap': {
    setup: fourPages,
    threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.mapPages(warmPage, 2, 'r')]],
  },
  // A fault while the tree of VMAs is rotated: the lookup without the lock may miss an existing VMA, which must not
  // cause a SIGSEGV (race R33).
  'lookup-rotation': {
    setup: (cpu) => {
      for (const place of [0, 2, 4]) cpu.mapPages(firstPage + place, 1)
      cpu.store(firstPage + 2, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.mapPages(firstPage + 6, 1), (cpu) => cpu.mapPages(firstPage + 8, 1)],
    ],
    pages: [firstPage, firstPage + 6],
  },
  // A fault in the VMA that a rotation of the tree lifts over its parent: a walk that is at the parent finds nothing
  // behind it (race R33).
  'rotation-miss': {
    setup: (cpu, all) => {
      for (const place of [0, 2, 4, 6]) cpu.mapPages(firstPage + place, 1)
      // By the other CPU, so that the VMA cache of the first knows nothing.
      all[1]!.store(firstPage + 6, 7)
      all[1]!.discard(firstPage + 6, 1)
    },
    threads: [[(cpu) => cpu.store(firstPage + 6, 42)], [(cpu) => cpu.mapPages(firstPage + 8, 1)]],
    pages: [firstPage + 6, firstPage + 8],
  },
  // A lookup without the lock, and a VMA that is removed: it is freed after a grace period, when the CPU that may be
  // reading it has left. The second call runs what waits for that. There are no page tables, since their teardown would
  // also wait for that CPU.
  'rcu-freed-vma': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage + 1, 1, 'r')
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.unmap(warmPage, 1)],
    ],
    pages: [firstPage, warmPage + 1],
  },
  // A fault whose VMA is in the cache of its thread, and calls that remove that VMA and put another in its place (race
  // R31).
  'cached-vma': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 2)
      for (const each of all) each.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.unmap(firstPage, 2), (cpu) => cpu.mapPages(firstPage, 1, 'r')],
    ],
  },
  // A fault in one address space; the other CPU unmaps its VMA, which becomes a VMA of a second address space, and
  // tears that down. The fault may hold, and release, a VMA of an address space that no longer exists (race R25). There
  // are no page tables, since their teardown would wait for the fault.
  'recycled-vma': {
    setup: (cpu, all) => {
      all[1]!.mapPages(firstPage, 1)
      cpu.mapPages(warmPage + 1, 1)
      second = all[1]!.newSpace()
    },
    threads: [
      [(cpu) => cpu.load(firstPage)],
      [
        (cpu) => cpu.unmap(firstPage, 1),
        () => second.mapPages(firstPage, 1),
        () => second.unmap(firstPage, 1),
        () => second.exit(),
      ],
    ],
    pages: [firstPage, warmPage + 1],
  },
  // A fault in front of a read-only VMA, which then becomes writable and grows over the page: flags and borders that
  // were never true together refuse the access (race R34).
  'torn-snapshot': {
    setup: (cpu) => {
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
      cpu.protect(warmPage, 1, 'r')
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.mapPages(firstPage, 1)],
    ],
  },
  // A fault in a VMA that mprotect merges into its neighbour, and mprotect of the merged VMA: the removed VMA still has
  // its flags, and its count no longer changes.
  'merged-away': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 3)
      cpu.store(firstPage, 7)
      cpu.protect(warmPage, 1, 'r')
      cpu.store(firstPage + 2, 8)
      cpu.discard(firstPage + 2, 1)
    },
    threads: [
      [(cpu) => cpu.store(firstPage + 2, 42)],
      [(cpu) => cpu.protect(warmPage, 1, 'rw'), (cpu) => cpu.protect(firstPage, 3, 'r')],
    ],
    pages: [firstPage, firstPage + 2],
  },
  // A fault in the first page of a VMA, and mprotect that moves this page to the VMA in front: only borders move.
  'border-moves': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage + 3, 7)
      cpu.protect(firstPage, 2, 'r')
    },
    threads: [[(cpu) => cpu.store(firstPage + 2, 42)], [(cpu) => cpu.protect(firstPage + 2, 1, 'r')]],
    pages: [firstPage + 2, firstPage + 3],
  },
  // A write, and mprotect of the whole VMA: no border moves, so a design that announces only border changes announces
  // nothing.
  'protect-whole': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.protect(firstPage, 2, 'r'), (cpu) => cpu.store(firstPage, 43)],
    ],
  },
  // mprotect forbids reading a page by its protection key: when it has returned, no CPU can read the page. The
  // instruction fetch leaves a translation that is not valid for loads and must not outlive the second mprotect. The
  // load of the other CPU may meet the key in every state in between.
  'execute-only': {
    config: { X86_INTEL_MEMORY_PROTECTION_KEYS: true },
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2, 'rwx')
      cpu.store(firstPage, 6)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.load(firstPage)],
      [
        (cpu) => cpu.protect(firstPage, 1, 'x'),
        (cpu) => cpu.fetch(firstPage),
        (cpu) => cpu.load(firstPage),
        (cpu) => cpu.protect(firstPage, 1, 'rw'),
      ],
    ],
  },
  // A CPU joins the address space and faults, while the only earlier user unmaps, and may still believe that it is
  // alone (race R30).
  'joining-cpu': {
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage, 7)
      all[1]!.leave()
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.mapPages(firstPage, 1, 'r')],
      [(cpu) => cpu.join(), (cpu) => cpu.store(firstPage, 42)],
    ],
  },
  // A small version of stress-ng's vma: one CPU maps, one unmaps and one accesses the same two pages. munmap processes
  // the pages in ascending order, and the accesses go in descending order: two pages do not disappear at once, here as
  // in Linux.
  'map-unmap-access': {
    setup: fourPages,
    threads: [
      [(cpu) => cpu.mapPages(firstPage, 1)],
      [(cpu) => cpu.unmap(firstPage, 2)],
      [(cpu) => cpu.load(warmPage), (cpu) => cpu.store(firstPage, 42)],
    ],
  },
  // A small version of stress-ng's vma: mprotect and MADV_DONTNEED of the two pages that another CPU accesses, in the
  // opposite order.
  'protect-discard-access': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(firstPage, 6)
      cpu.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.protect(firstPage, 2, 'r')],
      [(cpu) => cpu.discard(firstPage, 2)],
      [(cpu) => cpu.load(warmPage), (cpu) => cpu.store(firstPage, 42)],
    ],
  },
  // The first two writes to a mapping that was only read: its page table exists, its anon_vma does not.
  'first-anon-vma': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.load(firstPage + 2)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(warmPage, 43)]],
  },
  // The first write to a mapping, which may share the anon_vma of its neighbour, and munmap of the neighbour (race
  // R23).
  'anon-vma-munmap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(warmPage, 1, 'rwx')
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(warmPage, 1)]],
  },
  // The first write to a mapping, which needs the mmap lock for a moment, and mprotect of it, whose caller has that
  // lock and may wait for the fault.
  'first-write-mprotect': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.load(firstPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.protect(firstPage, 1, 'r')]],
    pages: [firstPage],
  },
  // The first write to a mapping and a fork: the child has what was written, or zeros.
  'first-write-fork': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.load(firstPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.fork(firstPage)]],
    pages: [firstPage],
  },
  // A VMA without an anon_vma merges with a neighbour that has one: it must be locked for writing before it gets it,
  // since a fault may be in it (Linux d8ab9f7b644a, 2023).
  'merged-anon-vma': {
    setup: (cpu) => {
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 7)
      cpu.protect(warmPage, 1, 'r')
      cpu.mapPages(firstPage, 1)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.protect(warmPage, 1, 'rw')]],
  },
  // Two mappings with private pages, and a third that fills the gap and merges with one of them: since the pages refer
  // to different anon_vmas, all three must not become one.
  'bridged-anon-vmas': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 1)
      cpu.mapPages(firstPage + 2, 2)
      cpu.store(firstPage, 7)
      cpu.store(firstPage + 2, 8)
    },
    threads: [
      [(cpu) => cpu.mapPages(firstPage + 1, 1), (cpu) => cpu.store(firstPage + 1, 9)],
      [(cpu) => cpu.store(firstPage + 3, 42)],
    ],
    pages: [firstPage, firstPage + 1, firstPage + 2, firstPage + 3],
  },
})
