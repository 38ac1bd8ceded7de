// The format of page tables, which the hardware defines.
//
// Four levels. A page number has 31 bits: 4 select an entry of the pgd, then 9 each one of the pud, pmd and pte
// tables, so that a pte table covers 2 MiB as on x86-64. The upper levels contain pointers into the kernel heap, 0
// for none. A page-table entry has 20 bits of frame and 12 of flags; 0 means none.
//
// Only `Atomics` touch entries that another CPU may use: its walker reads them without any lock and sets the accessed
// and dirty bits by itself.

import { layout } from './layout.ts'

export const PTRS_PER_TABLE = 512
export const TABLE_INDEX_MASK = PTRS_PER_TABLE - 1
export const PGD_WORDS = 16

export const PMD_SHIFT = 9
export const PUD_SHIFT = 18
export const PGD_SHIFT = 27

/** A table: a header of three cache lines, of which only leaf slots use the second and third, then the entries. */
const TABLE_HEADER_WORDS = 48
export const PAGE_TABLE_WORDS = TABLE_HEADER_WORDS + PTRS_PER_TABLE

export const PageTable = layout('page_table', PAGE_TABLE_WORDS, {
  /** The split page-table lock of a pte table. */
  ptl: 0,
  level: 1,
  /** Its first word is also the link of tables that wait for the TLB flush before they can be freed. */
  rcuHead: 2,
  /** Kamezawa, 18 December 2009: the VMA of the last entry that was installed. */
  vma: 4,
  /** Leaf slots: of which pages the slots speak, the pages' number without its last nine bits; then the eight slots; */
  run: 5,
  slots: 6,
  /** and which of them is filled next where all are open. */
  slotTurn: 46,
  entries: TABLE_HEADER_WORDS,
})

export const PTE_PRESENT = 1 << 0
export const PTE_WRITE = 1 << 1
export const PTE_EXEC = 1 << 2
export const PTE_ACCESSED = 1 << 3
export const PTE_DIRTY = 1 << 4
/** No `struct page` belongs to it: the zero page. */
export const PTE_SPECIAL = 1 << 5
/** The page is there, but no access is allowed: the hardware sees PRESENT clear. */
export const PTE_PROTNONE = 1 << 6

/** Not there: the page is in the swap area, in the slot that stands in the place of the frame. */
export const PTE_SWAP = 1 << 7
/** For software: the page belongs to a mapping that is locked in memory, so that reclaim leaves it. */
export const PTE_LOCKED = 1 << 8
/**
 * The page has a protection key other than 0, and no thread may load from it or store to it; instructions are fetched
 * all the same. (x86 has four bits for the number of the key, and a register that says what each key forbids. Here one
 * bit is enough, as all threads have the same in that register: see vma/pkeys.ts.)
 */
export const PTE_PKEY = 1 << 9

export const PTE_FRAME_SHIFT = 12
export const PTE_FLAGS_MASK = (1 << PTE_FRAME_SHIFT) - 1

/** x86 page-fault error codes. */
export const FAULT_PROTECTION = 1
export const FAULT_WRITE = 2
export const FAULT_USER = 4
export const FAULT_INSTRUCTION = 16
/** The protection key of the page forbids the access. */
export const FAULT_PK = 32
/** For software, above what the hardware reports: the access is not one of the program's own (FAULT_FLAG_REMOTE). */
export const FAULT_REMOTE = 1 << 16
/** For software: the page of a private mapping is to be pinned for reading (FAULT_FLAG_UNSHARE). */
export const FAULT_UNSHARE = 1 << 17
