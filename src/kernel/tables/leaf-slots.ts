// Leaf slots: each pte table records the mappings of parts of its 2 MiB, behind its own lock: two of these parts in
// the cache line of the lock.
//
// A slot describes pages of one VMA: the VMA's flags, its file, their place in the file, and its anon_vma. Threads
// write it, and rely on it, only with the table locked. A writer that is about to change the mapping of pages first
// removes them from the slots (hook rangeChanging); so an open slot is true as long as the table is locked, whoever
// holds the mmap lock. Changes that leave the pages' mapping alone, such as moving a border of the VMA elsewhere, close
// nothing.
//
// A fault must know what to prepare before it has the lock. Until then it has a guess, which may mix two mappings if it
// comes from a slot. With the table locked the fault compares the whole guess with the slot. No count is needed: if the
// slot was closed and filled again with the same words, they are as true as before (race R3 is the business of the
// handlers, which hold a reference on the page that they copy).

import { layout } from '../machine/layout.ts'
import { PMD_SHIFT, PTRS_PER_TABLE, PageTable, TABLE_INDEX_MASK } from '../machine/pte.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextPteTable } from './page-table.ts'

export const LEAF_SLOT_WORDS = 5
export const LEAF_SLOTS = 8

export const LeafSlot = layout('leaf_slot', LEAF_SLOT_WORDS, {
  /** Which entries of the table: the first, and from BOUNDS_SHIFT on the one behind the last. 0: the slot is closed. */
  bounds: 0,
  vmFlags: 1,
  vmFile: 2,
  /** `vmPgoff - vmStart` of the VMA, which stays as its borders move. */
  bias: 3,
  anonVma: 4,
})

const BOUNDS_SHIFT = 10
const BOUNDS_MASK = (1 << BOUNDS_SHIFT) - 1

/** Where the slots of a table end. */
const SLOTS_END = PageTable.slots + LEAF_SLOTS * LEAF_SLOT_WORDS

/** The entries that a slot with these bounds covers, [low, high): none if it is closed. */
export function slotBounds(bounds: number): { low: number; high: number } {
  return { low: bounds & BOUNDS_MASK, high: bounds >> BOUNDS_SHIFT }
}

function contains(bounds: number, index: number): boolean {
  return (bounds & BOUNDS_MASK) <= index && index < bounds >> BOUNDS_SHIFT
}

/** Whether the bounds overlap [low, high); those of a closed slot never do. */
function meets(bounds: number, low: number, high: number): boolean {
  return (bounds & BOUNDS_MASK) < high && low < bounds >> BOUNDS_SHIFT
}

/** The bounds reduced to what lies in front of [low, high); if nothing does, to what lies behind; else 0. */
function without(bounds: number, low: number, high: number): number {
  if ((bounds & BOUNDS_MASK) < low) return (bounds & BOUNDS_MASK) | (low << BOUNDS_SHIFT)
  return high < bounds >> BOUNDS_SHIFT ? (bounds & ~BOUNDS_MASK) | high : 0
}

/**
 * Copies the slot of `fault.table` that covers the page into the fault, without the lock, so the copy may be torn. The
 * caller is in an RCU read-side critical section. Returns false if no slot covers the page.
 */
export function peekSlot(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const { table, page } = fault
  for (let slot = table + PageTable.slots; slot < table + SLOTS_END; slot += LEAF_SLOT_WORDS) {
    const bounds = Atomics.load(heap, slot + LeafSlot.bounds)
    if (!contains(bounds, page & TABLE_INDEX_MASK)) continue
    fault.vmFlags = Atomics.load(heap, slot + LeafSlot.vmFlags)
    fault.vmFile = Atomics.load(heap, slot + LeafSlot.vmFile)
    fault.anonVma = Atomics.load(heap, slot + LeafSlot.anonVma)
    setRange(fault, bounds, Atomics.load(heap, slot + LeafSlot.bias))
    return true
  }
  return false
}

/** Gives the fault the part of the VMA that the slot covers, in place of the whole VMA. */
function setRange(fault: FaultContext, bounds: number, bias: number): void {
  const first = fault.page - (fault.page & TABLE_INDEX_MASK)
  fault.vmStart = first + (bounds & BOUNDS_MASK)
  fault.vmEnd = first + (bounds >> BOUNDS_SHIFT)
  fault.vmPgoff = (fault.vmStart + bias) | 0
}

/** The slot that covers the entry, or 0. The table is locked. */
function slotOf(cpu: Task, table: number, index: number): number {
  const { heap } = cpu
  for (let slot = table + PageTable.slots; slot < table + SLOTS_END; slot += LEAF_SLOT_WORDS) {
    if (contains(heap[slot + LeafSlot.bounds], index)) return slot
  }
  return 0
}

/** The bounds of a slot for a VMA with the pages [start, end), in the table whose first page is `first`. */
function boundsOf(first: number, start: number, end: number): number {
  return Math.max(start - first, 0) | (Math.min(end - first, PTRS_PER_TABLE) << BOUNDS_SHIFT)
}

/**
 * Whether the slot of the page agrees with the fault's copy. If so, the fault takes over the range of the slot, since
 * the mappings around the page may have changed. The table is locked.
 */
export function slotHolds(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const { table, page } = fault
  if (heap[table + PageTable.run] !== page >> PMD_SHIFT) return false
  const slot = slotOf(cpu, table, page & TABLE_INDEX_MASK)
  if (slot === 0) return false
  const bias = heap[slot + LeafSlot.bias]
  if (
    heap[slot + LeafSlot.vmFlags] !== fault.vmFlags ||
    heap[slot + LeafSlot.vmFile] !== fault.vmFile ||
    heap[slot + LeafSlot.anonVma] !== fault.anonVma ||
    bias !== ((fault.vmPgoff - fault.vmStart) | 0)
  ) {
    return false
  }
  setRange(fault, heap[slot + LeafSlot.bounds], bias)
  return true
}

/**
 * Fills a slot of the table that covers `page`, for the part of the fault's VMA that lies in the table. The table is
 * locked, and no writer has begun to change the VMA, or the caller is that writer and has finished. Returns whether it
 * is the first slot that is filled since the table has covered these pages.
 */
export function fillSlot(cpu: Task, fault: FaultContext, table: number, page: number): boolean {
  const isFirst = cpu.heap[table + PageTable.run] !== page >> PMD_SHIFT
  const bounds = boundsOf(page - (page & TABLE_INDEX_MASK), fault.vmStart, fault.vmEnd)
  const slot = roomFor(cpu, table, bounds & BOUNDS_MASK, bounds >> BOUNDS_SHIFT)
  setWord(cpu, table + PageTable.run, page >> PMD_SHIFT)
  setWord(cpu, slot + LeafSlot.vmFlags, fault.vmFlags)
  setWord(cpu, slot + LeafSlot.vmFile, fault.vmFile)
  setWord(cpu, slot + LeafSlot.bias, (fault.vmPgoff - fault.vmStart) | 0)
  setWord(cpu, slot + LeafSlot.anonVma, fault.anonVma)
  setWord(cpu, slot + LeafSlot.bounds, bounds)
  return isFirst
}

/**
 * Stores only what changes: an atomic store costs as much as the lock of the table, whose holder alone writes its
 * slots.
 */
function setWord(cpu: Task, word: number, value: number): void {
  if (cpu.heap[word] !== value) Atomics.store(cpu.heap, word, value)
}

/**
 * The slot to fill for the entries [low, high): one that covers some of them (others that do are closed), else a closed
 * slot, else the slot whose turn it is. The table is locked.
 */
function roomFor(cpu: Task, table: number, low: number, high: number): number {
  const { heap } = cpu
  let room = 0
  let closed = 0
  for (let slot = table + PageTable.slots; slot < table + SLOTS_END; slot += LEAF_SLOT_WORDS) {
    const bounds = heap[slot + LeafSlot.bounds]
    if (bounds === 0 && closed === 0) closed = slot
    if (!meets(bounds, low, high)) continue
    if (room === 0) room = slot
    else Atomics.store(heap, slot + LeafSlot.bounds, 0)
  }
  if (room !== 0) return room
  if (closed !== 0) return closed
  const turn = heap[table + PageTable.slotTurn]
  heap[table + PageTable.slotTurn] = (turn + 1) % LEAF_SLOTS
  return table + PageTable.slots + turn * LEAF_SLOT_WORDS
}

/** Removes the entries [low, high) from all slots. The table is locked. */
function closeSlots(cpu: Task, table: number, low: number, high: number): void {
  const { heap } = cpu
  for (let slot = table + PageTable.slots; slot < table + SLOTS_END; slot += LEAF_SLOT_WORDS) {
    const bounds = heap[slot + LeafSlot.bounds]
    if (meets(bounds, low, high)) Atomics.store(heap, slot + LeafSlot.bounds, without(bounds, low, high))
  }
}

/**
 * Removes the pages [start, end) from all slots: when it returns, no fault can commit by the old mapping. No fault
 * fills slots for the pages meanwhile, since their VMAs are being changed or have left the tree. The mmap lock is held.
 */
export function closeRange(cpu: Task, mm: number, start: number, end: number): void {
  for (let page = nextPteTable(cpu, mm, start, end); page < end;) {
    const first = page - (page & TABLE_INDEX_MASK)
    const table = findPteTable(cpu, mm, page)
    spinLock(cpu, table + PageTable.ptl)
    closeSlots(cpu, table, Math.max(start - first, 0), Math.min(end - first, PTRS_PER_TABLE))
    spinUnlock(cpu, table + PageTable.ptl)
    page = nextPteTable(cpu, mm, first + PTRS_PER_TABLE, end)
  }
}
