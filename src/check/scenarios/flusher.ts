// The flusher, which writes files back in the background.
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
  // A CPU writes to a page, by its old translation or after a fault, while the flusher writes it out: what it has
  // written is dirty or on disk.
  'flush-write': { setup: dirtyAndShared, threads: [[flush], [addToFirst]], pages: [firstPage] },
  // The same with write().
  'flush-write-call': { setup: dirtyUnmapped, threads: [[flush], [writePage(0, 20)]], pages: [firstPage] },
  // And fsync after it: what it has confirmed is on disk.
  'flush-write-sync': {
    setup: dirtyUnmapped,
    threads: [[flush], [writePage(0, 20), ...syncedOnDisk]],
    pages: [firstPage],
  },
  // The first write to a page that was read, while the flusher is at the file: the flusher finds it now, or the file is
  // marked to be visited again.
  'flush-read-page': {
    setup: (cpu) => {
      mapKeptFile(cpu, 2)
      cpu.load(firstPage)
      cpu.add(warmPage, 1)
    },
    threads: [[(cpu) => cpu.flush()], [addToFirst]],
  },
  // The same with a page that the write maps.
  'flush-new-page': {
    setup: (cpu) => {
      mapKeptFile(cpu, 2)
      cpu.add(warmPage, 1)
      cpu.readFile(0)
    },
    threads: [[flush], [addToFirst]],
  },
  // A page that was written out once is written again, in two rounds: the file is marked dirty each time.
  'flush-again': {
    setup: dirtyAndShared,
    threads: [[(cpu) => cpu.flush(), (cpu) => cpu.flush()], [addToFirst]],
    pages: [firstPage],
  },
  // A thread that has a page pinned for writing writes to it after it was written out, without a fault.
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
  // fsync while the flusher is writing the page: what it has confirmed is on disk.
  'flush-sync': { setup: dirtyUnmapped, threads: [[flush], syncedOnDisk], pages: [firstPage] },
  // The same from the moment at which the flusher has found the file and reaches the page.
  'flush-page-sync': { setup: dirtyUnmapped, threads: [[writeOut], syncedOnDisk], pages: [firstPage] },
  // The file is truncated while its page is written out, and stays truncated.
  'flush-truncate': {
    setup: dirtyUnmapped,
    threads: [[flush], [truncateTo(0), (cpu) => cpu.pagesOnDisk()]],
    pages: [firstPage],
  },
  // The same from the moment at which the flusher reaches the page.
  'flush-page-truncate': {
    setup: dirtyUnmapped,
    threads: [[writeOut], [truncateTo(0), (cpu) => cpu.pagesOnDisk()]],
    pages: [firstPage],
  },
  // The same with a mapped page.
  'flush-truncate-mapped': { setup: dirtyAndRead, threads: [[flush], [truncateTo(0)]], pages: [firstPage] },
  // Reclaim of the page, which evicts it from the cache.
  'flush-reclaim': { setup: dirtyUnmapped, threads: [[flush], [(cpu) => cpu.shrink()]], frames: 20 },
  // The same, with reclaim removing it from the page table first.
  'flush-page-out': {
    setup: dirtyAndRead,
    threads: [[flush], [(cpu) => cpu.pageOut(firstPage)]],
    pages: [firstPage],
  },
  // The last mapping is removed, and the file with it, while the flusher works on it: the file is freed after that.
  // Some designs free a VMA and drop its file after a grace period, when munmap has returned.
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
  // The flusher cannot write: the page stays dirty until it is written, and fsync reports the error once.
  'flush-fails': {
    setup: failing(dirtyUnmapped),
    threads: [[flush], [(cpu) => cpu.syncFile(), ...syncedOnDisk]],
    pages: [firstPage],
  },
  // The same with a write: the file stays marked dirty.
  'flush-fails-write': {
    setup: failing(dirtyUnmapped),
    threads: [[flush], [writePage(0, 20)]],
    pages: [firstPage],
  },
  // The file is open twice: each gets the error.
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
  // Two threads have the file mapped and not opened: one of them gets the error.
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
  // The mapping is removed after the request, when it still existed: all of it is on disk, or the caller gets an error.
  'flush-asked-munmap': {
    setup: dirtyAndAsked,
    threads: [
      [(cpu) => cpu.serve(1)],
      [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.syncAnswer(), (cpu) => cpu.onDisk(0)],
    ],
    pages: [firstPage],
  },
  // The address space is destroyed.
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
  // The flusher cannot write: the caller gets an error.
  'flush-asked-fails': {
    setup: failing(dirtyAndAsked),
    threads: [[(cpu) => cpu.serve(1)], [(cpu) => cpu.syncAnswer(), ...syncedOnDisk]],
    pages: [firstPage],
  },
})
