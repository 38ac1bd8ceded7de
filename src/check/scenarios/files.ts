// Files: faults on them, and truncation.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'

export default kernelScenarios({
  // A read of a shared file, which maps the page writable, and mprotect of the whole mapping: when it has returned, no
  // entry allows writes.
  'file-load-protect': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 4, 'rw', true)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.protect(firstPage, 4, 'r')]],
  },
  // Two faults on one page of a file, one of which brings it into the page cache.
  'file-fault-fault': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.load(warmPage)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42, 0)], [(cpu) => cpu.store(firstPage, 43, 1)]],
    pages: [firstPage],
  },
  // A fault on a page of a file that only its mapping keeps, and munmap of it: file and page are freed together.
  'file-fault-munmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1, 'rw', true)
      cpu.store(firstPage, 7)
      cpu.discard(firstPage, 1)
      cpu.mapPages(warmPage, 2)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A write to a page of a file that was only read, so that hardware sets the dirty bit, and munmap of it.
  'file-write-munmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.load(firstPage)
      cpu.store(warmPage, 7)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // Two reads of neighbouring cached pages of a file: each fault maps the surrounding pages.
  'fault-around': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.load(firstPage)
      cpu.load(warmPage)
      cpu.discard(firstPage, 2)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.load(warmPage)]],
  },
  // Copy on write of a page of a private file mapping, and munmap, which frees file and page.
  'file-cow-munmap': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 1)
      cpu.load(firstPage)
      cpu.mapPages(warmPage, 2)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // Copy on write of a page of a private file mapping, and MADV_DONTNEED.
  'file-cow-dontneed': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.load(firstPage)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.discard(firstPage, 1)]],
  },
  // Copy on write of a page of a private file mapping, and mprotect that removes the write permission.
  'file-cow-protect': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.load(firstPage)
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.protect(firstPage, 1, 'r'), (cpu) => cpu.load(firstPage)],
    ],
  },
  // The first write to a page of a private file mapping that is not present yet, and mremap of it.
  'file-cow-move': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.store(warmPage, 8)
    },
    threads: [
      [(cpu) => cpu.store(firstPage, 42)],
      [(cpu) => cpu.move(firstPage, 1, firstPage + 8), (cpu) => cpu.load(firstPage + 8)],
    ],
    pages: [firstPage, warmPage, firstPage + 8],
  },
  // Copy on write of a page of a private file mapping, and fork: the child has the copy, or the page of the file.
  'file-cow-fork': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.load(firstPage)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.fork(firstPage, warmPage)]],
  },
  // The last mapping of a file on disk is removed, and another CPU finds the file and drops it again before the first
  // has marked it dead.
  'file-given-up': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 8)
      cpu.mapDisk(firstPage, 1, 'r')
    },
    threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.openAndClose()]],
    pages: [warmPage],
  },
  // Faults on the last page of a file in memory, and ftruncate that cuts it off: no mapping beyond the end is left.
  'fault-truncate': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.keepFile(firstPage)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.store(warmPage, 42)],
      [(cpu) => cpu.store(warmPage, 43, 1), (cpu) => cpu.truncate(1)],
    ],
  },
  // A fault that maps cached pages around it, and ftruncate that cuts some of them off.
  'truncate-around': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2, 'rw', true)
      cpu.keepFile(firstPage)
      cpu.store(firstPage, 7)
      cpu.store(warmPage, 8)
      cpu.discard(firstPage, 2)
    },
    threads: [[(cpu) => cpu.load(firstPage), (cpu) => cpu.load(warmPage)], [(cpu) => cpu.truncate(1)]],
  },
  // A private copy of the last page of a file, and ftruncate that cuts it off: the copy is removed too, whenever it is
  // made.
  'truncate-copy': {
    setup: (cpu) => {
      cpu.mapFile(firstPage, 2)
      cpu.keepFile(firstPage)
      cpu.store(firstPage, 7)
    },
    threads: [[(cpu) => cpu.store(warmPage, 42)], [(cpu) => cpu.truncate(1), (cpu) => cpu.load(warmPage)]],
  },
  // A fault that reads a page of a file on disk, and ftruncate that cuts it off and extends the file again: a later
  // read gives zeros.
  'disk-truncate': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.keepFile(firstPage)
      cpu.load(firstPage)
    },
    threads: [[(cpu) => cpu.add(warmPage, 1)], [(cpu) => cpu.truncate(1), (cpu) => cpu.truncate(2)]],
  },
  // A fault that reads a page of a file on disk, and munmap of it: the waiting fault holds nothing, so that the mapping
  // and its page table may be removed.
  'disk-munmap': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.keepFile(firstPage)
    },
    threads: [[(cpu) => cpu.load(firstPage)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
  // The same with a write to a private mapping, which has neither a page nor an anon_vma.
  'disk-cow-munmap': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1, 'rw', false)
      cpu.keepFile(firstPage)
    },
    threads: [[(cpu) => cpu.add(firstPage, 1)], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
    config: { MMU_GATHER_RCU_TABLE_FREE: false },
  },
  // read() of a page and ftruncate that cuts it off: read returns the page or nothing, and both calls end.
  'read-truncate': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.keepFile(firstPage)
    },
    threads: [[(cpu) => cpu.readFile(1)], [(cpu) => cpu.truncate(1)]],
    pages: [firstPage, firstPage + 1],
  },
  // munmap of a page of a file, whose mapping is no longer known while the TLBs are flushed, and ftruncate, which waits
  // for the last reference to the page. (The mapping is private: for a shared one, munmap keeps the mmap lock, and
  // ftruncate waits there.)
  'munmap-truncate': {
    setup: (cpu, all) => {
      cpu.mapFile(firstPage, 2, 'rw', false)
      cpu.keepFile(firstPage)
      for (const each of all) each.load(firstPage)
      cpu.load(warmPage)
    },
    threads: [[(cpu) => cpu.unmap(firstPage, 2)], [(cpu) => cpu.truncate(1)]],
  },
})
