// The flusher, which writes files back beside everything else.
//
// In most of these it has one turn at one file of one page, beside one thing, so that there are few interleavings.

import {
  dirtyAndShared,
  dirtyAndRead,
  dirtyUnmapped,
  failing,
  mapKeptFile,
  syncedOnDisk,
  truncateTo,
  writePage,
} from './file-calls.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'

const flush = (cpu: ScenarioCpu) => cpu.flushOne()
/** What the flusher could not write the first time, and the second time has. */
function failToFlush(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  failing(writePage(0, 10))(cpu, all)
  for (let round = 0; round < 2; round++) cpu.flushOne()
}

/** CPU 1 has asked the flusher for the page to be synchronised. */
function dirtyAndAsked(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  dirtyUnmapped(cpu)
  all[1]!.askSync(firstPage, 1)
}

/** Only the part of it that writes pages out, so that there are few interleavings. */
const writeOut = (cpu: ScenarioCpu) => cpu.writeOut()
const addToFirst = (cpu: ScenarioCpu) => cpu.add(firstPage, 1)

export default kernelScenarios({
  // A CPU writes to a page, by its old translation or after a fault, as the flusher writes it out: what it has written
  // is dirty or on disk.
  'flush-write': { setup: dirtyAndShared, threads: [[flush], [addToFirst]], pages: [firstPage] },
  // The same of write().
  'flush-write-call': { setup: dirtyUnmapped, threads: [[flush], [writePage(0, 20)]], pages: [firstPage] },
  // And fsync after it: what it says is on disk is.
  'flush-write-sync': {
    setup: dirtyUnmapped,
    threads: [[flush], [writePage(0, 20), ...syncedOnDisk]],
    pages: [firstPage],
  },
  // The first write to a page that was read, as the flusher is at the file: the flusher finds it now, or the file says
  // that it has to come back.
  'flush-read-page': {
    setup: (cpu) => {
      mapKeptFile(cpu, 2)
      cpu.load(firstPage)
      cpu.add(warmPage, 1)
    },
    threads: [[(cpu) => cpu.flush()], [addToFirst]],
  },
  // The same of a page that is mapped by the write.
  'flush-new-page': {
    setup: (cpu) => {
      mapKeptFile(cpu, 2)
      cpu.add(warmPage, 1)
      cpu.readFile(0)
    },
    threads: [[flush], [addToFirst]],
  },
  // A page that was written out once and is written to again, at two rounds: the file says each time that it is dirty.
  'flush-again': {
    setup: dirtyAndShared,
    threads: [[(cpu) => cpu.flush(), (cpu) => cpu.flush()], [addToFirst]],
    pages: [firstPage],
  },
  // Who has a page pinned for writing writes to it after it was written out, without a fault.
  'flush-pin': {
    setup: (cpu) => {
      mapKeptFile(cpu, 2)
      cpu.add(firstPage, 1)
      cpu.load(warmPage)
    },
    threads: [
      [(cpu) => cpu.flush()],
      [(cpu) => cpu.pin(firstPage, 1, 'rw'), (cpu) => cpu.addPinned(1), (cpu) => cpu.unpin()],
    ],
  },
  // fsync while the flusher has the page in its hands: what it says is on disk is.
  'flush-sync': { setup: dirtyUnmapped, threads: [[flush], syncedOnDisk], pages: [firstPage] },
  // The same where it has found the file and comes to the page.
  'flush-page-sync': { setup: dirtyUnmapped, threads: [[writeOut], syncedOnDisk], pages: [firstPage] },
  // The file is cut off as its page is written out, and stays so.
  'flush-truncate': {
    setup: dirtyUnmapped,
    threads: [[flush], [truncateTo(0), (cpu) => cpu.pagesOnDisk()]],
    pages: [firstPage],
  },
  // The same where the flusher comes to the page.
  'flush-page-truncate': {
    setup: dirtyUnmapped,
    threads: [[writeOut], [truncateTo(0), (cpu) => cpu.pagesOnDisk()]],
    pages: [firstPage],
  },
  // The same where the page is mapped.
  'flush-truncate-mapped': { setup: dirtyAndRead, threads: [[flush], [truncateTo(0)]], pages: [firstPage] },
  // Reclaim of the page, which takes it out of the cache.
  'flush-reclaim': { setup: dirtyUnmapped, threads: [[flush], [(cpu) => cpu.shrink()]], frames: 20 },
  // The same, which takes it out of the page table first.
  'flush-page-out': {
    setup: dirtyAndRead,
    threads: [[flush], [(cpu) => cpu.pageOut(firstPage)]],
    pages: [firstPage],
  },
  // The last mapping goes, and the file with it, as the flusher is at work on it: it is freed when that is over. Some
  // designs free a VMA after a grace period, and give its file up then, when munmap has returned.
  'flush-bury': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapDisk(firstPage, 1)
      cpu.add(firstPage, 1)
    },
    threads: [[flush], [(cpu) => cpu.unmap(firstPage, 1)]],
    pages: [firstPage],
    onDisk: 6,
  },
  // The flusher cannot write: the page stays dirty until it is written, and fsync is told once.
  'flush-fails': {
    setup: failing(dirtyUnmapped),
    threads: [[flush], [(cpu) => cpu.syncFile(), ...syncedOnDisk]],
    pages: [firstPage],
  },
  // The same beside a write: the file says that it is dirty still.
  'flush-fails-write': {
    setup: failing(dirtyUnmapped),
    threads: [[flush], [writePage(0, 20)]],
    pages: [firstPage],
  },
  // The file is open twice: each is told.
  'flush-fails-two': {
    setup: (cpu, all) => {
      mapKeptFile(cpu, 1)
      for (const each of all) each.openForAll()
      failToFlush(cpu, all)
    },
    threads: [
      [(cpu) => cpu.syncOpened(0), (cpu) => cpu.closeOpened(0)],
      [(cpu) => cpu.syncOpened(1), (cpu) => cpu.closeOpened(1)],
    ],
    pages: [firstPage],
  },
  // Two threads that have the file mapped and have not opened it: one of them is told.
  'msync-shared': {
    setup: (cpu, all) => {
      mapKeptFile(cpu, 1)
      failToFlush(cpu, all)
    },
    threads: [[(cpu) => cpu.syncFile()], [(cpu) => cpu.syncFile()]],
    pages: [firstPage],
  },
  // What the flusher was asked to synchronise is on disk when it says so.
  'flush-asked': {
    setup: dirtyAndAsked,
    threads: [[(cpu) => cpu.serve(1)], [writePage(0, 20), (cpu) => cpu.syncAnswer(), (cpu) => cpu.onDisk(0)]],
    pages: [firstPage],
  },
  // The mapping goes after it was asked: it was there still, and all of it is on disk, or the caller is told.
  'flush-asked-munmap': {
    setup: dirtyAndAsked,
    threads: [
      [(cpu) => cpu.serve(1)],
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.syncAnswer(), (cpu) => cpu.onDisk(0)],
    ],
    pages: [firstPage],
  },
  // The address space goes.
  'flush-asked-exit': {
    setup: (cpu, all) => {
      const child = cpu.forkFor(all[1]!)
      child.mapDisk(firstPage, 1)
      child.askSync(firstPage, 1)
      return [cpu, child]
    },
    threads: [[(cpu) => cpu.serve(1)], [(cpu) => cpu.exit()]],
    pages: [],
  },
  // It cannot write: who has asked is told.
  'flush-asked-fails': {
    setup: failing(dirtyAndAsked),
    threads: [[(cpu) => cpu.serve(1)], [(cpu) => cpu.syncAnswer(), ...syncedOnDisk]],
    pages: [firstPage],
  },
})
