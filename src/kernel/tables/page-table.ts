// Page tables: finding, making and freeing them (mm/memory.c, include/linux/pgtable.h).
//
// The upper levels are filled in under `mm.pageTableLock`, entries of a pte table under its own lock (split PTE locks).
// A thread allocates a table with the mmap lock held (invariant I5: a table that a fault links after its range was torn
// down would leak, races R5 and R14), or in a design that checks, under the lock of the upper levels, that the range is
// still mapped. A table is freed only when no walker without locks can still be in it (race R5, invariant I4).

import {
  PAGE_TABLE_WORDS,
  PGD_SHIFT,
  PMD_SHIFT,
  PUD_SHIFT,
  PageTable,
  TABLE_INDEX_MASK,
} from '../machine/pte.ts'
import { slabAlloc, slabFree } from '../memory/slab.ts'
import { CACHE_PAGE_TABLE } from '../mm/caches.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import { Mm, TASK_SIZE } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { RCU_FREE_PAGE_TABLE, defineRcuCallback } from '../sync/rcu.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'

/** Bits of a page number that select an entry of one table. */
const LEVEL_SHIFT = PMD_SHIFT
const LEVEL_PTE = 1
const LEVEL_PMD = 2
const LEVEL_PUD = 3

/** The word of the entry for `page` in its pte table. */
export function pteAddress(table: number, page: number): number {
  return table + PageTable.entries + (page & TABLE_INDEX_MASK)
}

/** The pte table that covers `page`, or 0. Safe beside writers; the result is stable while the mmap lock is held. */
export function findPteTable(cpu: Task, mm: number, page: number): number {
  const pmd = findPmdTable(cpu, mm, page)
  return pmd === 0 ? 0 : findTableInPmd(cpu, pmd, page)
}

/** The pte table that covers `page` by its pmd table, or 0. */
export function findTableInPmd(cpu: Task, pmd: number, page: number): number {
  return Atomics.load(cpu.heap, pmdEntry(pmd, page))
}

/** The pmd table that covers `page`, or 0. */
export function findPmdTable(cpu: Task, mm: number, page: number): number {
  const pud = Atomics.load(cpu.heap, pgdEntry(mm, page))
  return pud === 0 ? 0 : Atomics.load(cpu.heap, pudEntry(pud, page))
}

/**
 * `pmd_addr_end`: the end of the pages that the pte table of `page` covers, but at most `end`. That of the last table
 * exceeds 31 bits, hence the multiplication below.
 */
export function pmdAddrEnd(page: number, end: number): number {
  return nextBoundary(page, PMD_SHIFT, end)
}

/**
 * The page at which a walk up to `end` goes on that has found the pte table `table`, or 0, at `page`. If the pmd table
 * is missing too, the walk skips all that it would cover, and so passes a sparse terabyte quickly.
 */
export function nextToWalk(cpu: Task, mm: number, table: number, page: number, end: number): number {
  return nextBoundary(page, table !== 0 || findPmdTable(cpu, mm, page) !== 0 ? PMD_SHIFT : PUD_SHIFT, end)
}

/** The next page at which another entry of the level begins, but at most `end`. */
function nextBoundary(page: number, shift: number, end: number): number {
  return Math.min(((page >> shift) + 1) * 2 ** shift, end)
}

/**
 * The first page of [page, end) that a pte table covers, `end` if there is none. The caller keeps tables from being
 * freed.
 */
export function nextPteTable(cpu: Task, mm: number, page: number, end = TASK_SIZE): number {
  return nextBelow(cpu, pgdTable(mm), PGD_SHIFT, page, end)
}

/** The same below `table`, each entry of which covers 2 ** `shift` pages. */
function nextBelow(cpu: Task, table: number, shift: number, page: number, end: number): number {
  for (let at = page; at < end;) {
    const stop = nextBoundary(at, shift, end)
    const below = Atomics.load(cpu.heap, tableEntry(table, shift, at))
    if (below !== 0) {
      const found = shift === PMD_SHIFT ? at : nextBelow(cpu, below, shift - LEVEL_SHIFT, at, stop)
      if (found < stop) return found
    }
    at = stop
  }
  return end
}

/** The address that the pgd would have as a table: its entries lie in the mm, without a header. */
function pgdTable(mm: number): number {
  return mm + Mm.pgd - PageTable.entries
}

function tableEntry(table: number, shift: number, page: number): number {
  return table + PageTable.entries + ((page >> shift) & TABLE_INDEX_MASK)
}

function pgdEntry(mm: number, page: number): number {
  return tableEntry(pgdTable(mm), PGD_SHIFT, page)
}

function pudEntry(pud: number, page: number): number {
  return tableEntry(pud, PUD_SHIFT, page)
}

function pmdEntry(pmd: number, page: number): number {
  return tableEntry(pmd, PMD_SHIFT, page)
}

/**
 * The pte table that covers `page`; allocates it if there is none. Returns 0 when there is no memory. The caller holds
 * the mmap lock, or passes its `fault`, and is in an RCU read-side critical section, through which tables are freed. In
 * that case a table is linked only while the fault's VMA stands, and 0 is also returned if it does not: so a writer
 * that frees the tables of the range afterwards finds the table (races R5 and R14).
 */
export function allocPteTable(cpu: Task, mm: number, page: number, fault?: FaultContext): number {
  const pmd = allocPmdTable(cpu, mm, page, fault)
  return pmd === 0 ? 0 : populate(cpu, mm, pmdEntry(pmd, page), LEVEL_PTE, fault)
}

/** The pmd table that covers `page`, allocated if there is none, or 0. */
function allocPmdTable(cpu: Task, mm: number, page: number, fault?: FaultContext): number {
  const pud = populate(cpu, mm, pgdEntry(mm, page), LEVEL_PUD, fault)
  return pud === 0 ? 0 : populate(cpu, mm, pudEntry(pud, page), LEVEL_PMD, fault)
}

/**
 * Makes the pte table that covers `from` the one that covers `to`, and empties its old place. Returns false, and does
 * nothing, if there is a table at `to` already or no memory for the level above. The mmap lock is held for write.
 */
export function relinkPteTable(cpu: Task, mm: number, from: number, to: number): boolean {
  const { heap } = cpu
  const target = allocPmdTable(cpu, mm, to)
  if (target === 0) return false
  const oldEntry = pmdEntry(findPmdTable(cpu, mm, from), from)
  const newEntry = pmdEntry(target, to)
  spinLock(cpu, mm + Mm.pageTableLock)
  const free = Atomics.load(heap, newEntry) === 0
  if (free) Atomics.store(heap, newEntry, Atomics.exchange(heap, oldEntry, 0))
  spinUnlock(cpu, mm + Mm.pageTableLock)
  return free
}

/**
 * The table in an entry of an upper level; allocates and links one if there is none and no other CPU is faster. For a
 * `fault` that holds no lock, links it only if its VMA stands, else returns 0.
 */
function populate(cpu: Task, mm: number, entry: number, level: number, fault?: FaultContext): number {
  const { heap } = cpu
  const present = Atomics.load(heap, entry)
  if (present !== 0) return present
  const fresh = slabAlloc(cpu, CACHE_PAGE_TABLE)
  if (fresh === 0) return 0
  heap.fill(0, fresh, fresh + PAGE_TABLE_WORDS)
  heap[fresh + PageTable.level] = level
  spinLock(cpu, mm + Mm.pageTableLock)
  const winner = Atomics.load(heap, entry)
  const links = winner === 0 && (fault === undefined || cpu.design.vmaStands(cpu, fault))
  if (links) {
    heap[mm + Mm.pageTables]++
    Atomics.store(heap, entry, fresh)
  }
  spinUnlock(cpu, mm + Mm.pageTableLock)
  if (links) return fresh
  slabFree(cpu, CACHE_PAGE_TABLE, fresh)
  return winner
}

/**
 * `free_pgd_range`: unlinks the tables that cover part of [start, end) and nothing outside [floor, ceiling), and
 * collects them in `cpu.gatherTables`. Their entries are empty already. The mmap lock is held, and no VMA is left in
 * [floor, ceiling).
 */
export function freePageTableRange(
  cpu: Task,
  mm: number,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
): void {
  freeBelow(cpu, mm, pgdTable(mm), PGD_SHIFT, start, end, floor, ceiling)
}

/** `free_pud_range` and so on: the same below `table`, of which an entry covers 2 ** `shift` pages. */
function freeBelow(
  cpu: Task,
  mm: number,
  table: number,
  shift: number,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
): void {
  for (let page = start; page < end; page = nextBoundary(page, shift, end)) {
    const entry = tableEntry(table, shift, page)
    const below = Atomics.load(cpu.heap, entry)
    if (below === 0) continue
    const stop = nextBoundary(page, shift, end)
    if (shift !== PMD_SHIFT) freeBelow(cpu, mm, below, shift - LEVEL_SHIFT, page, stop, floor, ceiling)
    if (coversOnly(page, shift, floor, ceiling)) unhookTable(cpu, mm, page, entry, below)
  }
}

/**
 * Whether the table behind the entry for `page`, which covers 2 ** `shift` pages, covers only pages of [floor,
 * ceiling).
 */
function coversOnly(page: number, shift: number, floor: number, ceiling: number): boolean {
  const first = (page >> shift) * 2 ** shift
  return first >= floor && first + 2 ** shift <= ceiling
}

/**
 * Unlinks a table and gathers it. As `pte_free_tlb` does, it also extends the range to be flushed: what was gathered
 * before may have been flushed by now, and a CPU that touched the range since has the empty table in its
 * paging-structure cache again.
 */
function unhookTable(cpu: Task, mm: number, page: number, entry: number, table: number): void {
  const { heap } = cpu
  Atomics.store(heap, entry, 0)
  cpu.gatherStart = Math.min(cpu.gatherStart, page)
  cpu.gatherEnd = Math.max(cpu.gatherEnd, page + 1)
  spinLock(cpu, mm + Mm.pageTableLock)
  heap[mm + Mm.pageTables]--
  spinUnlock(cpu, mm + Mm.pageTableLock)
  heap[table + PageTable.rcuHead] = cpu.gatherTables
  cpu.gatherTables = table
}

/** Frees a table at once: no walker can be in it. */
export function freePageTableNow(cpu: Task, table: number): void {
  slabFree(cpu, CACHE_PAGE_TABLE, table)
}

defineRcuCallback<Task>(RCU_FREE_PAGE_TABLE, (cpu, head) => {
  slabFree(cpu, CACHE_PAGE_TABLE, head - PageTable.rcuHead)
})
