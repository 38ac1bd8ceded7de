// Files on disk that are written back, dropped and opened again.

import { mapKeptFile } from './file-calls.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import type { Operation } from '../kernel-scenario.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'

/** Two pages of the file on disk, which only their mapping keeps; the first was written to. */
function writtenOnce(cpu: ScenarioCpu): void {
  cpu.fillDisk(2, 5)
  cpu.mapDisk(firstPage, 2)
  cpu.add(firstPage, 1)
  cpu.load(warmPage)
}

/** The same, by each CPU, so that each has a translation. */
function writtenByAll(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  writtenOnce(cpu)
  for (const each of all.slice(1)) each.add(firstPage, 1)
}

const syncAddSync: readonly Operation[] = [
  (cpu) => cpu.sync(firstPage, 1),
  (cpu) => cpu.add(firstPage, 1),
  (cpu) => cpu.sync(firstPage, 1),
  (cpu) => cpu.onDisk(0),
]

export default kernelScenarios({
  // Two CPUs call msync on a shared mapping of a file: what the second writes by an old translation between its two
  // calls is on disk after the second call, even if the first CPU has just marked the page clean.
  'msync-stale-write': {
    setup: writtenByAll,
    threads: [[(cpu) => cpu.sync(firstPage, 1)], syncAddSync],
  },
  // Reclaim of a page of a file on disk, and a CPU that writes to it by its old translation after msync has written
  // it.
  'reclaim-stale-write': {
    setup: writtenByAll,
    threads: [[(cpu) => cpu.pageOut(firstPage)], syncAddSync],
  },
  // munmap of a shared mapping of a file, a CPU that still writes by its old translation, and fsync: what it writes
  // before the mapping is gone is not lost, even if the page was marked clean meanwhile.
  'zap-sync': {
    setup: (cpu, all) => {
      mapKeptFile(cpu, 2)
      cpu.load(warmPage)
      all[1]!.add(firstPage, 1)
    },
    threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.syncFile(), (cpu) => cpu.add(firstPage, 1)]],
  },
  // The same, and a second fsync: what was announced before it is on disk, even while the mapping is being removed.
  'zap-sync-again': {
    setup: (cpu, all) => {
      mapKeptFile(cpu, 1)
      all[1]!.add(firstPage, 1)
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage, 1)],
      [
        (cpu) => cpu.syncFile(),
        (cpu) => cpu.add(firstPage, 1),
        (cpu) => cpu.syncFile(),
        (cpu) => cpu.onDisk(0),
      ],
    ],
  },
  // MADV_DONTNEED and fsync, and a CPU that makes the page dirty again and still writes by its old translation after
  // the write-back.
  'discard-sync': {
    setup: (cpu, all) => {
      mapKeptFile(cpu, 2, 1)
      all[2]!.add(firstPage, 1)
    },
    threads: [
      [(cpu) => cpu.discard(firstPage, 1)],
      [(cpu) => cpu.syncFile()],
      [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
    ],
  },
  // Reclaim of a dirty page of a file, and a CPU that writes to it meanwhile: what it writes is on disk, or the page is
  // dirty.
  'dirty-reclaim': {
    setup: writtenOnce,
    threads: [[(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()], [(cpu) => cpu.add(firstPage, 1)]],
  },
  // Two write-backs of a page, the first of which fails on the disk: the page stays dirty until it is written, and the
  // error is reported once.
  'sync-fails': {
    setup: (cpu) => {
      writtenOnce(cpu)
      cpu.failNext(0, 1)
    },
    threads: [
      [(cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.sync(firstPage, 1), (cpu) => cpu.onDisk(0)],
      [(cpu) => cpu.pageOut(firstPage)],
    ],
  },
  // The last mapping of a file on disk is removed, and the file with it, while its page is evicted from the cache.
  'bury-reclaim': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapPages(warmPage, 1)
      cpu.mapDisk(firstPage, 1, 'r')
      cpu.load(firstPage)
      cpu.pageOut(firstPage)
      cpu.load(firstPage)
      cpu.store(warmPage, 8)
    },
    threads: [[(cpu) => cpu.unmap(firstPage, 1)], [(cpu) => cpu.pageOut(firstPage), (cpu) => cpu.shrink()]],
    frames: 10,
  },
  // The last mapping of a file on disk is removed, and another CPU maps the file again, writes to it and unmaps it: no
  // write is lost.
  reopen: {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapPages(warmPage, 1)
      cpu.store(warmPage, 8)
      cpu.mapDisk(firstPage, 1)
      cpu.store(firstPage, 7)
    },
    threads: [
      [(cpu) => cpu.unmap(firstPage, 1)],
      [
        (cpu) => cpu.mapDisk(warmPage + 1, 1),
        (cpu) => cpu.add(warmPage + 1, 1),
        (cpu) => cpu.unmap(warmPage + 1, 1),
        (cpu) => cpu.mapDisk(warmPage + 1, 1),
      ],
    ],
    pages: [warmPage, warmPage + 1],
  },
  // One thread reads a file while the thread that has opened it closes it: nothing else keeps the file.
  'read-close': {
    setup: (cpu) => {
      cpu.fillDisk(1, 5)
      cpu.mapPages(firstPage, 1)
      cpu.openForAll()
    },
    threads: [[(cpu) => cpu.closeOpened()], [(cpu) => cpu.readOpened(0)]],
    pages: [firstPage],
  },
})
