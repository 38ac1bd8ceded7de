// The flusher, which writes files back beside everything else.

import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import type { ScenarioCpu } from '../kernel-scenario.ts'

/** Two pages of the file on disk are mapped and were written; the second CPU has translations. */
function twoDirtyPages(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  cpu.fillDisk(2, 5)
  cpu.mapDisk(firstPage, 2)
  cpu.keepFile(firstPage)
  for (const each of all) each.add(firstPage, 1)
  cpu.add(warmPage, 1)
}

export default kernelScenarios({
  // A CPU writes to a page, by its old translation or after a fault, as the flusher writes it out: what it has written
  // is dirty or on disk, and after msync on disk.
  'flush-write': {
    setup: twoDirtyPages,
    threads: [
      [(cpu) => cpu.flush()],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.onDisk(0)],
    ],
  },
  // The first write to a page that was read, as the flusher is at the file: the flusher finds it now, or the file says
  // that it has to come back.
  'flush-read-page': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.load(firstPage)
      cpu.add(warmPage, 1)
    },
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // The same of a page that is mapped by the write.
  'flush-new-page': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.keepFile(firstPage)
      cpu.add(warmPage, 1)
      cpu.readFile(0)
    },
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // A page that was written out once and is written to again, at two flushes: the file says each time that it is dirty.
  'flush-again': {
    setup: twoDirtyPages,
    threads: [[(cpu) => cpu.flush(), (cpu) => cpu.flush()], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // Who has a page pinned for writing writes to it after it was written out, without a fault.
  'flush-pin': {
    setup: (cpu) => {
      cpu.fillDisk(2, 5)
      cpu.mapDisk(firstPage, 2)
      cpu.add(firstPage, 1)
      cpu.load(warmPage)
    },
    threads: [
      [(cpu) => cpu.flush()],
      [(cpu) => cpu.pin(firstPage, 1, 'rw'), (cpu) => cpu.addPinned(1), (cpu) => cpu.unpin()],
    ],
  },
  // msync while the flusher has the page in its hands: what msync says is on disk is.
  'flush-sync': {
    setup: twoDirtyPages,
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.onDisk(0)]],
  },
  // The file is cut off as its pages are written out, and stays so.
  'flush-truncate': {
    setup: twoDirtyPages,
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.truncate(1), (cpu) => cpu.pagesOnDisk()]],
  },
  // Reclaim of a page that the flusher is writing out.
  'flush-reclaim': {
    setup: twoDirtyPages,
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()]],
  },
  // The last mapping goes, and the file with it, as the flusher is at work on it: it is freed when that is over.
  'flush-bury': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 8)
      cpu.mapDisk(firstPage, 1)
      cpu.add(firstPage, 1)
    },
    threads: [[(cpu) => cpu.flush()], [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.onDisk(0)]],
  },
  // The flusher cannot write: the page stays dirty until it is written, and msync is told once.
  'flush-fails': {
    setup: (cpu, all) => {
      twoDirtyPages(cpu, all)
      cpu.failNext(0, 1)
    },
    threads: [
      [(cpu) => cpu.flush()],
      [(cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.onDisk(0)],
    ],
  },
  // The same where the file is open twice: each is told once.
  'flush-fails-two': {
    setup: (cpu, all) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.keepFile(firstPage)
      for (const each of all) each.openForAll()
      cpu.add(firstPage, 1)
      cpu.failNext(0, 1)
      cpu.flush()
    },
    threads: [
      [(cpu) => cpu.syncOpened(0), (cpu) => cpu.syncOpened(0), (cpu) => cpu.closeOpened(0)],
      [(cpu) => cpu.syncOpened(1), (cpu) => cpu.syncOpened(1), (cpu) => cpu.closeOpened(1)],
    ],
  },
  // Two threads that have the file mapped and have not opened it: one of them is told.
  'msync-shared': {
    setup: (cpu, all) => {
      twoDirtyPages(cpu, all)
      cpu.failNext(0, 1)
      cpu.flush()
    },
    threads: [[(cpu) => cpu.sync(firstPage, 1)], [(cpu) => cpu.sync(firstPage, 1)]],
  },
  // What the flusher was asked to synchronise is on disk when it says so.
  'flush-asked': {
    setup: twoDirtyPages,
    threads: [
      [(cpu) => cpu.serve(1), (cpu) => cpu.serve(1)],
      [
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.askSync(firstPage, 1),
        (cpu) => cpu.syncAnswer(),
        (cpu) => cpu.onDisk(0),
      ],
    ],
  },
})
