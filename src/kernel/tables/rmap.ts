// From a file to the entries that map it (mm/rmap.c, mm/memory.c unmap_mapping_range).
//
// Linux keeps a tree of the VMAs of each file. Here a walk looks at all VMAs of all address spaces, and holds the mmap
// lock of each for reading. Only truncation and write-back need it, since reclaim walks the page tables.

import { PTE_DIRTY, PTE_FRAME_SHIFT, PTE_PRESENT, PTE_SPECIAL, PTE_WRITE, PageTable } from '../machine/pte.ts'
import { dropMm, nextMm } from '../memory/mm-count.ts'
import { setPageFlags } from '../memory/page-lock.ts'
import { PG_DIRTY } from '../memory/page.ts'
import { Mm } from '../mm/mm.ts'
import { mmapReadLock, mmapReadUnlock } from '../mm/mmap-lock.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { VM_SHARED, Vma } from '../vma/vma.ts'
import { flushTlbMm } from './mmu-gather.ts'
import { invalidateRangeEnd, invalidateRangeStart } from './mmu-notifier.ts'
import { findPteTable, nextToWalk, pteAddress } from './page-table.ts'
import { zapVmaRange } from './zap.ts'

/**
 * `unmap_mapping_range`: removes the pages [first, end) of the file from every mapping, private copies included. The
 * caller holds no mmap lock. May sleep.
 */
export function unmapMappingRange(cpu: Task, file: number, first: number, end: number): void {
  const { heap } = cpu
  cpu.walkGeneration = 0
  for (let mm = nextMm(cpu); mm !== 0; mm = nextMm(cpu)) {
    mmapReadLock(cpu, mm)
    for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
      if (heap[vma + Vma.vmFile] === file) unmapInVma(cpu, vma, first, end)
    }
    mmapReadUnlock(cpu, mm)
    dropMm(cpu, mm)
  }
}

function unmapInVma(cpu: Task, vma: number, first: number, end: number): void {
  const from = pageInVma(cpu, vma, first)
  const to = pageInVma(cpu, vma, end)
  if (from < to) zapVmaRange(cpu, vma, from, to)
}

/** The page of the address space at which a VMA maps page `index` of its file, clamped to the VMA. */
function pageInVma(cpu: Task, vma: number, index: number): number {
  const { heap } = cpu
  const start = heap[vma + Vma.vmStart]
  const page = start + (index - heap[vma + Vma.vmPgoff])
  return Math.max(start, Math.min(page, heap[vma + Vma.vmEnd]))
}

/**
 * `page_mkclean` for the pages [first, end) of the file: moves the dirty bit of entries of shared mappings to their
 * pages, and makes the next write fault. The caller holds no mmap lock. May sleep.
 */
export function cleanMappings(cpu: Task, file: number, first: number, end: number): void {
  const { heap } = cpu
  cpu.walkGeneration = 0
  for (let mm = nextMm(cpu); mm !== 0; mm = nextMm(cpu)) {
    mmapReadLock(cpu, mm)
    for (let vma = heap[mm + Mm.mmap]; vma !== 0; vma = heap[vma + Vma.vmNext]) {
      if (heap[vma + Vma.vmFile] !== file || (heap[vma + Vma.vmFlags] & VM_SHARED) === 0) continue
      cleanRange(cpu, mm, pageInVma(cpu, vma, first), pageInVma(cpu, vma, end))
    }
    mmapReadUnlock(cpu, mm)
    dropMm(cpu, mm)
  }
}

function cleanRange(cpu: Task, mm: number, start: number, end: number): void {
  invalidateRangeStart(cpu, mm, start, end)
  for (let page = start; page < end;) {
    const table = findPteTable(cpu, mm, page)
    const stop = nextToWalk(cpu, mm, table, page, end)
    if (table !== 0) cleanPteRange(cpu, mm, table, page, stop)
    page = stop
  }
  invalidateRangeEnd(cpu, mm)
}

function cleanPteRange(cpu: Task, mm: number, table: number, start: number, end: number): void {
  const { heap } = cpu
  let cleaned = false
  spinLock(cpu, table + PageTable.ptl)
  for (let page = start; page < end; page++) {
    const address = pteAddress(table, page)
    const entry = Atomics.load(heap, address)
    if ((entry & PTE_PRESENT) === 0 || (entry & PTE_SPECIAL) !== 0) continue
    if ((entry & (PTE_WRITE | PTE_DIRTY)) === 0) continue
    // An atomic operation, since the hardware may set the dirty bit up to this moment.
    const before = Atomics.and(heap, address, ~(PTE_WRITE | PTE_DIRTY))
    if ((before & PTE_DIRTY) !== 0) setPageFlags(cpu, before >>> PTE_FRAME_SHIFT, PG_DIRTY)
    cleaned = true
  }
  // Flushed with the table locked (page_mkclean_one). Else another write-back could find the entries clean, write the
  // pages, and miss what a CPU still writes through an old translation.
  if (cleaned) flushTlbMm(cpu, mm, start, end)
  spinUnlock(cpu, table + PageTable.ptl)
}
