// Writing at the end of a file, and overwriting whole pages of it, which are not read before.

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
  // One reads what the other appends: what the size says is there.
  'append-size': {
    setup: (cpu, all) => {
      oneWord(cpu)
      for (const each of all) each.load(firstPage)
    },
    threads: [[append(11)], [readTail(firstPage)]],
  },
  // The last page cannot be read for one of them: the file is as if that one had not been there.
  'append-fails': {
    setup: (cpu) => {
      oneWord(cpu)
      cpu.failNext(1, 0)
    },
    threads: [[append(11)], [append(22), append(33)]],
    pages: [firstPage],
  },
  // The file is cut off beside it: what is appended comes after the old end, and goes with it, or after the new one.
  'append-truncate': {
    setup: (cpu) => mapKeptFile(cpu, 1, 2),
    threads: [[append(11)], [truncateTo(1)]],
  },
  // The mapping goes meanwhile, and with it its reference on the file.
  'append-munmap': {
    setup: emptyFile,
    threads: [[append(11), (cpu) => cpu.readFile(0)], [(cpu) => cpu.unmap(firstPage, 1)]],
  },
  // A program writes to the last page meanwhile, which is read for both.
  'append-store': {
    setup: oneWord,
    threads: [[append(11), (cpu) => cpu.load(firstPage, 1)], [(cpu) => cpu.add(firstPage, 1)]],
    pages: [firstPage],
  },
  // Both append and synchronise: what is on disk is all that was appended before.
  'append-sync': {
    setup: emptyFile,
    threads: [[append(11), ...syncedOnDisk], [(cpu) => cpu.syncFile()]],
    pages: [firstPage],
  },
  // The flusher beside it: what it did not write, it comes back to.
  'append-flush': {
    setup: emptyFile,
    threads: [[append(11)], [(cpu) => cpu.flushOne()]],
    pages: [firstPage],
  },
  // A page that a program overwrites, and one that reads it meanwhile: it is the old one or the new one, and nothing
  // that the frame had before.
  'overwrite-load': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [atomicLoad(firstPage, 1)]],
    pages: [firstPage],
  },
  // The same of write() and read().
  'write-read': {
    setup: twoPages,
    threads: [[writePage(0, 20)], [(cpu) => cpu.readFile(0)]],
    pages: [firstPage],
  },
  // Two programs that overwrite a page: it is one of them in the end.
  'overwrite-write': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [writePage(0, 30)]],
    pages: [firstPage],
  },
  // The page is cut off meanwhile: none is left in memory beyond the end.
  'overwrite-truncate': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [truncateTo(0)]],
    pages: [firstPage],
  },
  // The flusher beside it, and fsync: what was overwritten before is on disk after.
  'overwrite-sync': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), ...syncedOnDisk], [(cpu) => cpu.flushOne()]],
    pages: [firstPage],
  },
  // The same where the flusher comes to the page.
  'overwrite-page-sync': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), ...syncedOnDisk], [(cpu) => cpu.writeOut()]],
    pages: [firstPage],
  },
  // It is taken out of memory as soon as it is there: it is read again as it was written.
  'overwrite-reclaim': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20)], [(cpu) => cpu.shrink()]],
    pages: [firstPage],
    frames: 12,
  },
  // The mapping goes: the page is the file's, or the program is told.
  'overwrite-munmap': {
    setup: twoPages,
    threads: [[overwrite(firstPage, 20), (cpu) => cpu.readFile(0)], [(cpu) => cpu.unmap(firstPage, 2)]],
  },
})
