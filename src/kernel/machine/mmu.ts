// The memory management unit: turns a page number into an entry of the page table, by the TLB or by walking.
//
// It takes no lock. It keeps the result of a walk in the TLB until the kernel flushes it, so a thread that removes a
// translation must flush before the frame can be used for anything else. It sets the accessed and dirty bits with a
// compare-and-swap of the whole entry, as x86 does with a locked cycle: if the entry changed meanwhile, it walks again.
//
// A fault drops this CPU's translation of the page, as on x86 (SDM volume 3A, 4.10.4.1): an access that was refused is
// not refused again because of a stale TLB entry. x86 also drops the page's entries of the paging-structure cache.
// Here these stay, for speed: a table is removed only if nothing is mapped in it, and the thread that removes it
// flushes before anything is mapped there again.
//
// A page with a protection key is present for instruction fetches only. The TLB keeps it without PTE_PRESENT, which
// loads and stores check.

import { type Cpu, TLB_MASK, WALK_CACHE_MASK } from './cpu.ts'
import {
  FAULT_INSTRUCTION,
  FAULT_PK,
  FAULT_PROTECTION,
  FAULT_USER,
  FAULT_WRITE,
  PGD_SHIFT,
  PMD_SHIFT,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_EXEC,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_WRITE,
  PUD_SHIFT,
  PageTable,
  TABLE_INDEX_MASK,
} from './pte.ts'

/** What an access needs of an entry in the TLB. A write that finds the dirty bit clear has to walk, to set it. */
export const ACCESS_READ = PTE_PRESENT
export const ACCESS_WRITE = PTE_PRESENT | PTE_WRITE | PTE_DIRTY
export const ACCESS_EXECUTE = PTE_EXEC

/**
 * The entry that maps `page` under `root` for the access, or 0 when there is none that allows it; then `cpu.faultError`
 * is the x86 error code. The CPU must not answer interrupts between this and the use of the entry, since they may flush
 * it.
 */
export function translate(cpu: Cpu, root: number, page: number, access: number): number {
  const slot = page & TLB_MASK
  if (cpu.tlbPage[slot] === page && cpu.tlbRoot[slot] === root) {
    const entry = cpu.tlbEntry[slot]
    if ((entry & access) === access) return entry
  }
  return walk(cpu, root, page, access, slot)
}

function walk(cpu: Cpu, root: number, page: number, access: number, slot: number): number {
  const { heap } = cpu
  const table = findTable(cpu, root, page)
  if (table === 0) return pageFault(cpu, root, page, slot, errorCode(access))
  const address = table + PageTable.entries + (page & TABLE_INDEX_MASK)
  const permissions = (access & ~PTE_DIRTY) | PTE_PRESENT
  const bits = PTE_ACCESSED | (access & PTE_DIRTY)
  const refused = access === ACCESS_EXECUTE ? 0 : PTE_PKEY
  for (;;) {
    let entry = Atomics.load(heap, address)
    if ((entry & (permissions | refused)) !== permissions)
      return pageFault(cpu, root, page, slot, errorCode(access) | protectionError(entry, refused))
    if ((entry & bits) !== bits) {
      if (Atomics.compareExchange(heap, address, entry, entry | bits) !== entry) continue
      entry |= bits
    }
    cpu.tlbPage[slot] = page
    cpu.tlbRoot[slot] = root
    cpu.tlbEntry[slot] = (entry & PTE_PKEY) === 0 ? entry : entry & ~PTE_PRESENT
    cpu.tlbWritten[slot] = 0
    return entry
  }
}

/** What a fault leaves: its error code, and no translation of the page. Returns 0. */
function pageFault(cpu: Cpu, root: number, page: number, slot: number, error: number): number {
  if (cpu.tlbPage[slot] === page && cpu.tlbRoot[slot] === root) cpu.tlbPage[slot] = -1
  cpu.faultError = error
  return 0
}

function errorCode(access: number): number {
  if (access === ACCESS_WRITE) return FAULT_USER | FAULT_WRITE
  return access === ACCESS_EXECUTE ? FAULT_USER | FAULT_INSTRUCTION : FAULT_USER
}

/** The bits of the error code that tell that the page is there, and that a key among `refused` forbids the access. */
function protectionError(entry: number, refused: number): number {
  if ((entry & PTE_PRESENT) === 0) return 0
  return (entry & refused) !== 0 ? FAULT_PROTECTION | FAULT_PK : FAULT_PROTECTION
}

/** The pte table that covers `page`, or 0. */
function findTable(cpu: Cpu, root: number, page: number): number {
  const run = page >> PMD_SHIFT
  const slot = run & WALK_CACHE_MASK
  if (cpu.walkRun[slot] === run && cpu.walkRoot[slot] === root) return cpu.walkTable[slot]
  const { heap } = cpu
  const pud = Atomics.load(heap, root + (page >> PGD_SHIFT))
  if (pud === 0) return 0
  const pmd = Atomics.load(heap, pud + PageTable.entries + ((page >> PUD_SHIFT) & TABLE_INDEX_MASK))
  if (pmd === 0) return 0
  const table = Atomics.load(heap, pmd + PageTable.entries + ((page >> PMD_SHIFT) & TABLE_INDEX_MASK))
  if (table === 0) return 0
  cpu.walkRun[slot] = run
  cpu.walkRoot[slot] = root
  cpu.walkTable[slot] = table
  return table
}
