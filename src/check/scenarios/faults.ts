// Faults, concurrent with each other and with calls that remove their pages.

import { firstPage, fourPages, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

const stack = firstPage + 16
/** A page in another page table. */
const far = firstPage + 0x200

export default kernelScenarios({
  // Two faults on one page, each for a write: one frame is installed, the other is given back.
  'fault-fault': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
    pages: [firstPage],
  },
  // The first two faults of an address space: both allocate page tables and an anon_vma, and one is too late for each.
  'first-faults': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(warmPage, 43)]],
  },
  // A fault and munmap of its page: the page is there before, or the access is a SIGSEGV; the frame must not be lost.
  'fault-munmap': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A fault that the kernel takes as it copies to the program, and munmap of its page: the copy is done before, or ends
  // with EFAULT and no signal.
  'copy-munmap': {
    setup: fourPages,
    threads: [[(cpu) => cpu.copyTo(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A fault and munmap of everything that its page table covers: the table is freed under the fault (race R5).
  'fault-munmap-table': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 4)]],
  },
  // A fault and munmap of everything that its page table covers, where tables are freed after an interrupt to every
  // CPU.
  'fault-munmap-table-interrupts': {
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 4)]],
  },
  // munmap of everything that a page table covers, and a CPU that accesses it repeatedly: it must not find the table in
  // its paging-structure cache after the table is freed.
  'table-flush': {
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
    setup: (cpu, all) => {
      cpu.mapPages(firstPage, 4)
      for (const each of all) each.store(warmPage, 7)
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage, 4)],
      [(cpu) => cpu.load(warmPage), (cpu) => cpu.load(firstPage)],
    ],
  },
  // A write and mprotect to read-only of its page.
  'fault-mprotect': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.protect(firstPage, 1, 'r')]],
  },
  // A write to a present page, after a read of it, and MADV_DONTNEED, which holds the mmap lock for reading only.
  'fault-dontneed': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 2)]],
  },
  // A write to read-only memory: it is refused. Both CPUs have taken a fault here before, so that a design may try this
  // one without the mmap lock.
  'forbidden-store': {
    setup: (cpu, all) => {
      fourPages(cpu)
      cpu.protect(firstPage, 4, 'r')
      for (const [index, each] of all.entries()) each.load(warmPage + 1 + index)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.store(firstPage, 42)]],
  },
  // A fault and mmap(MAP_FIXED) over its page.
  'fault-mmap-fixed': {
    setup: fourPages,
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.mapPages(firstPage, 1, 'r')]],
  },
  // A fault in the heap and brk, which takes its page away.
  'fault-brk': {
    setup: (cpu) => {
      cpu.startHeap(firstPage)
      cpu.heap(2)
      cpu.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage + 1, 42)], [(cpu) => cpu.heap(1)]],
    pages: [firstPage, firstPage + 1],
  },
  // Two faults on one page and munmap of it.
  'two-faults-munmap': {
    setup: fourPages,
    threads: [
      [(cpu) => cpu.store(firstPage, 42, 0)],
      [(cpu) => cpu.store(firstPage, 43, 1)],
      [(cpu) => cpu.unmap(firstPage, 1)],
    ],
  },
  // An access to two pages, the second of which is unmapped: two faults, perhaps with a signal between them.
  'two-pages-munmap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 4)
      cpu.store(warmPage + 1, 7)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42), (cpu) => cpu.store(warmPage, 43)],
      [(cpu) => cpu.unmap(warmPage, 1)],
    ],
  },
  // A fault in a stack, and one below it that makes the stack grow.
  'fault-stack-growth': {
    setup: (cpu) => {
      cpu.mapPages(stack, 2, 'rw', true)
      cpu.store(stack + 1, 7)
    },
    threads: [[(cpu) => cpu.store(stack, 42)], [(cpu) => cpu.store(stack - 1, 43)]],
    pages: [stack - 1, stack, stack + 1],
  },
  // A fault that makes a stack grow, and munmap of the stack.
  'stack-growth-munmap': {
    setup: (cpu) => {
      cpu.mapPages(stack, 2, 'rw', true)
      cpu.store(stack + 1, 7)
    },
    threads: [[(cpu) => cpu.store(stack - 1, 43)], [(cpu) => cpu.unmap(stack, 2)]],
    pages: [stack - 1, stack, stack + 1],
  },
  // Two faults below a stack, at different places: it grows twice, or once for both.
  'stack-growths': {
    setup: (cpu) => {
      cpu.mapPages(stack, 2, 'rw', true)
      cpu.store(stack + 1, 7)
    },
    threads: [[(cpu) => cpu.store(stack - 1, 42)], [(cpu) => cpu.store(stack - 2, 43)]],
    pages: [stack - 2, stack - 1, stack],
  },
  // A fault on a page, a thread that stores there, and the OOM reaper: a later read finds what was stored, or is
  // refused. It never finds zeros from a fault after the reaper (race R35).
  'fault-reap': {
    setup: (cpu) => {
      cpu.mapPages(firstPage, 2)
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.add(firstPage, 0)],
      [(cpu) => cpu.add(firstPage, 9), (cpu) => cpu.add(firstPage, 0)],
      [(cpu) => cpu.reap()],
    ],
  },
  // The same with a private copy of a page of a file: a later read never finds the file's page instead.
  'reap-copy': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.load(firstPage), (cpu) => cpu.load(firstPage)], [(cpu) => cpu.reap()]],
  },
  // A VMA over two page tables loses a page in the first, and then what is before it, while faults come behind it, in
  // both tables.
  'split-over-two-tables': {
    setup: (cpu) => {
      cpu.mapMany(firstPage, 0x204)
      cpu.store(warmPage, 7)
      cpu.store(far, 8)
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage + 4, 1), (cpu) => cpu.unmap(firstPage, 4)],
      [(cpu) => cpu.load(firstPage + 6), (cpu) => cpu.load(far + 1)],
    ],
    pages: [firstPage, far],
  },
  // Two accesses to a page that is being unmapped: the first may learn this from the classic path, and the second tries
  // again without the lock. The second call of the other CPU frees what waits for a grace period.
  'faults-after-munmap': {
    setup: (cpu) => {
      cpu.mapPages(warmPage + 1, 1)
      cpu.store(warmPage + 1, 8)
      cpu.mapPages(firstPage, 1, 'rwx')
      cpu.store(firstPage, 7)
      cpu.discard(firstPage, 1)
    },
    threads: [
      [(cpu) => cpu.load(firstPage), (cpu) => cpu.load(firstPage)],
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.unmap(warmPage, 1)],
    ],
    pages: [firstPage, warmPage + 1],
  },
})
