// Read-ahead: a file of five pages, of which four are in memory, and the second is the marker. Who uses it reads the
// fifth.

import { mapKeptFile } from './file-calls.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios } from './table.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'

const PAGES = 5
const marker = warmPage
const last = firstPage + PAGES - 1

/** The page table is there, and of the file what a call reads that wants its first page. */
function readAtTheBeginning(cpu: ScenarioCpu): void {
  mapKeptFile(cpu, PAGES)
  cpu.readFile(0)
  cpu.load(firstPage)
}

const useMarker = (cpu: ScenarioCpu) => cpu.load(marker)

export default kernelScenarios({
  // Two faults on the marker page: one of them continues the read-ahead.
  'read-ahead-twice': {
    setup: readAtTheBeginning,
    threads: [[useMarker], [useMarker]],
    pages: [marker],
  },
  // A call reads a page as it is being read ahead: it waits until the page has its content.
  'read-ahead-read': {
    setup: readAtTheBeginning,
    threads: [[useMarker], [(cpu) => cpu.readFile(PAGES - 1)]],
    pages: [last],
  },
  // Two calls that both miss the page: it is read once, and both get it.
  'read-ahead-both': {
    setup: readAtTheBeginning,
    threads: [[(cpu) => cpu.readFile(PAGES - 1)], [(cpu) => cpu.readFile(PAGES - 1)]],
    pages: [last],
  },
  // The last page is cut off while it is read ahead, and the file extended again: a later read gives zeros.
  'read-ahead-truncate': {
    setup: readAtTheBeginning,
    threads: [[useMarker], [(cpu) => cpu.truncate(PAGES - 1), (cpu) => cpu.truncate(PAGES)]],
    pages: [last],
  },
  // Reclaim evicts pages that were read ahead and not used yet, while a program writes to one.
  'read-ahead-reclaim': {
    setup: readAtTheBeginning,
    threads: [[useMarker, (cpu) => cpu.add(last, 1)], [(cpu) => cpu.pageOut(firstPage, PAGES)]],
    pages: [last],
  },
  // The mapping is removed, and with it all that keeps the file, while a thread reads ahead in it.
  'read-ahead-munmap': {
    setup: (cpu) => {
      cpu.fillDisk(PAGES, 5)
      cpu.mapDisk(firstPage, PAGES)
      cpu.openForAll()
      cpu.readOpened(0)
      cpu.closeOpened()
      cpu.load(firstPage)
    },
    threads: [[useMarker], [(cpu) => cpu.unmap(firstPage, PAGES)]],
    pages: [],
  },
})
