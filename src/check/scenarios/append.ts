// Appending to a file, and overwriting whole pages of it, which are not read first.

import {
  append,
  atomicLoad,
  leaveOldFrame,
  mapKeptFile,
  overwrite,
  readTail,
  syncedOnDisk,
  truncateTo,
  writePage,
} from './file-calls.ts'
import { firstPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'

/** An empty file on disk; its mapping is longer than it. */
function emptyFile(cpu: ScenarioCpu): void {
  mapKeptFile(cpu, 0)
}

/** Two pages on disk, none in memory; the frames that come next have something of another page in them. */
function twoPages(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  mapKeptFile(cpu, 2)
  cpu.advise(firstPage, 2, 'random')
  for (const each of all) leaveOldFrame(each)
}

/** A file of a page that is not in memory, which ends after its first word, and two mapped pages. */
function oneWord(cpu: ScenarioCpu): void {
  mapKeptFile(cpu, 1, 2)
  truncateTo(1)(cpu)
}

export default kernelScenarios({
  // Two CPUs that append to a file whose last page is on disk: one comes after the other.
  'append-append': {
    setup: oneWord,
    threads: [[append(11)], [append(22)]],
    pages: [firstPage],
  },
  // One CPU reads while the other appends: the data up to the file's size is there.
  'append-size': {
    setup: (cpu, all) => {
      oneWord(cpu)
      for (const each of all) each.load(firstPage)
    },
    threads: [[append(11)], [readTail(firstPage)]],
  },
  // For one of them the last page cannot be read: the file is as if that append had not happened.
  'append-fails': {
    setup: (cpu) => {
      oneWord(cpu)
      cpu.failNext(1, 0)
    },
    threads: [[append(11)], [append(22), append(33)]],
    pages: [firstPage],
  },
  // Truncation at the same time: the appended data is after the old end and removed with it, or after the new end.
  'append-truncate': {
    setup: (cpu) => mapKeptFile(cpu, 1, 2),
    threads: [[append(11)], [truncateTo(1)]],
  },
  // The mapping is removed meanwhile, and with it its reference on the file.
  'append-munmap': {
    setup: emptyFile,
    threads: [[append(11), (cpu) => cpu.readFile(0)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A program meanwhile writes to the last page, which is read for both.
  'append-store': {
    setup: oneWord,
    threads: [[append(11), (cpu) => cpu.load(firstPage, 1)], [(cpu) => cpu.add(firstPage, 1)]],
    pages: [firstPage],
  },
  // Both append and synchronise: all data that was appended before is on disk.
  'append-sync': {
    setup: emptyFile,
    threads: [[append(11), ...syncedOnDisk], [(cpu) => cpu.syncFile()]],
    pages: [firstPage],
  },
  // The flusher at the same time: it comes back to what it did not write.
  'append-flush': {
    setup: emptyFile,
    threads: [[append(11)], [(cpu) => cpu.flushOne()]],
    pages: [firstPage],
  },
  // A page that one program overwrites and another reads: it reads the old or the new page, and nothing that the frame
  // held before.
  'overwrite-load': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [atomicLoad(firstPage, 1)]],
    pages: [firstPage],
  },
  // The same with write() and read().
  'write-read': {
    setup: twoPages,
    threads: [[writePage(0, 20)], [(cpu) => cpu.readFile(0)]],
    pages: [firstPage],
  },
  // Two programs overwrite a page: the result is that of one of them.
  'overwrite-write': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [writePage(0, 30)]],
    pages: [firstPage],
  },
  // The page is cut off meanwhile: no page beyond the end is left in memory.
  'overwrite-truncate': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [truncateTo(0)]],
    pages: [firstPage],
  },
  // The flusher at the same time, and fsync: what was overwritten before is on disk after it.
  'overwrite-sync': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), ...syncedOnDisk], [(cpu) => cpu.flushOne()]],
    pages: [firstPage],
  },
  // The same from the moment at which the flusher reaches the page.
  'overwrite-page-sync': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), ...syncedOnDisk], [(cpu) => cpu.writeOut()]],
    pages: [firstPage],
  },
  // Reclaim evicts the page as soon as it is there: it is read again as written.
  'overwrite-reclaim': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [(cpu) => cpu.shrink()]],
    pages: [firstPage],
    frames: 12,
  },
  // The mapping is removed: the page is in the file, or the program gets an error.
  'overwrite-munmap': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), (cpu) => cpu.readFile(0)], [(cpu) => cpu.unmap(firstPage, 2)]],
  },
})
