// Leaf slots: each pte table remembers what is mapped in parts of its 2 MiB, in the cache line of its own lock.
//
// A slot speaks of pages that lie in one VMA: the VMA's flags, its file, where in the file they are, and its anon_vma.
// It is written, and believed, only with the table locked. Who is about to change what some pages are first closes the
// slots over them (hook rangeChanging); so what an open slot says is true as long as the lock is held, whoever owns the
// mmap lock. Changes that leave the pages what they were, such as a border of the VMA that moves elsewhere, close
// nothing.
//
// A fault reads a slot before it has the lock, to know what to prepare. What it reads then is a guess, and may be put
// together from two slots. With the table locked it compares all of it with what the slot says now. No count is needed:
// if the slot was closed and filled again with the same words, they are as true as they were (race R3 is the business
// of the handlers, which hold a reference on the page that they copy).

import { layout } from '../machine/layout.ts'
import { PMD_SHIFT, PTRS_PER_TABLE, PageTable, TABLE_INDEX_MASK } from '../machine/pte.ts'
import type { FaultContext } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import { findPteTable, nextPteTable } from './page-table.ts'

export const LEAF_SLOT_WORDS = 5
export const LEAF_SLOTS = 2

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

/** The second slot of a table. */
const SECOND = PageTable.slots + LEAF_SLOT_WORDS

/** The entries that a slot with these bounds speaks of, [low, high): none if it is closed. */
export function slotBounds(bounds: number): { low: number; high: number } {
  return { low: bounds & BOUNDS_MASK, high: bounds >> BOUNDS_SHIFT }
}

function contains(bounds: number, index: number): boolean {
  return (bounds & BOUNDS_MASK) <= index && index < bounds >> BOUNDS_SHIFT
}

/** Also whether a closed slot, which contains nothing, meets [low, high): never. */
function meets(bounds: number, low: number, high: number): boolean {
  return (bounds & BOUNDS_MASK) < high && low < bounds >> BOUNDS_SHIFT
}

/**
 * What a slot of `fault.table` seems to say of the page, into the fault, without the lock. Inside an RCU read-side
 * critical section. False: no slot speaks of it.
 */
export function peekSlot(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const { table, page } = fault
  if (Atomics.load(heap, table + PageTable.run) !== page >> PMD_SHIFT) return false
  const index = page & TABLE_INDEX_MASK
  let slot = table + PageTable.slots
  let bounds = Atomics.load(heap, slot + LeafSlot.bounds)
  if (!contains(bounds, index)) {
    slot = table + SECOND
    bounds = Atomics.load(heap, slot + LeafSlot.bounds)
    if (!contains(bounds, index)) return false
  }
  fault.vmFlags = Atomics.load(heap, slot + LeafSlot.vmFlags)
  fault.vmFile = Atomics.load(heap, slot + LeafSlot.vmFile)
  fault.anonVma = Atomics.load(heap, slot + LeafSlot.anonVma)
  setRange(fault, bounds, Atomics.load(heap, slot + LeafSlot.bias))
  return true
}

/** The part of the VMA that the slot speaks of, as if it were all. */
function setRange(fault: FaultContext, bounds: number, bias: number): void {
  const first = fault.page - (fault.page & TABLE_INDEX_MASK)
  fault.vmStart = first + (bounds & BOUNDS_MASK)
  fault.vmEnd = first + (bounds >> BOUNDS_SHIFT)
  fault.vmPgoff = (fault.vmStart + bias) | 0
}

/**
 * Whether a slot says of the page what the fault believes. The table is locked. What is mapped around the page may have
 * changed: the fault's range becomes the slot's.
 */
export function slotHolds(cpu: Task, fault: FaultContext): boolean {
  const { heap } = cpu
  const { table, page } = fault
  if (heap[table + PageTable.run] !== page >> PMD_SHIFT) return false
  const index = page & TABLE_INDEX_MASK
  let slot = table + PageTable.slots
  if (!contains(heap[slot + LeafSlot.bounds], index)) {
    slot = table + SECOND
    if (!contains(heap[slot + LeafSlot.bounds], index)) return false
  }
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
 * A slot for the VMA of the fault, as far as it lies in the table. The table is locked, and nobody has begun to change
 * the VMA. The newest slot is the first; the one before becomes the second, and what that said is forgotten.
 */
export function fillSlot(cpu: Task, fault: FaultContext): void {
  const { heap } = cpu
  const { table, page } = fault
  const first = page - (page & TABLE_INDEX_MASK)
  const low = Math.max(fault.vmStart - first, 0)
  const high = Math.min(fault.vmEnd - first, PTRS_PER_TABLE)
  closeSlots(cpu, table, low, high)
  Atomics.store(heap, table + PageTable.run, page >> PMD_SHIFT)
  const slot = table + PageTable.slots
  if (heap[slot + LeafSlot.bounds] !== 0) {
    const { bounds, vmFlags, vmFile, bias, anonVma } = LeafSlot
    writeSlot(
      cpu,
      table + SECOND,
      heap[slot + bounds],
      heap[slot + vmFlags],
      heap[slot + vmFile],
      heap[slot + bias],
      heap[slot + anonVma],
    )
  }
  const bias = fault.vmPgoff - fault.vmStart
  writeSlot(cpu, slot, low | (high << BOUNDS_SHIFT), fault.vmFlags, fault.vmFile, bias, fault.anonVma)
}

function writeSlot(
  cpu: Task,
  slot: number,
  bounds: number,
  vmFlags: number,
  vmFile: number,
  bias: number,
  anonVma: number,
): void {
  const { heap } = cpu
  Atomics.store(heap, slot + LeafSlot.vmFlags, vmFlags)
  Atomics.store(heap, slot + LeafSlot.vmFile, vmFile)
  Atomics.store(heap, slot + LeafSlot.bias, bias)
  Atomics.store(heap, slot + LeafSlot.anonVma, anonVma)
  Atomics.store(heap, slot + LeafSlot.bounds, bounds)
}

/** Closes the slots that speak of one of the entries [low, high). The table is locked. */
function closeSlots(cpu: Task, table: number, low: number, high: number): void {
  const { heap } = cpu
  for (let slot = table + PageTable.slots; slot <= table + SECOND; slot += LEAF_SLOT_WORDS) {
    if (meets(heap[slot + LeafSlot.bounds], low, high)) Atomics.store(heap, slot + LeafSlot.bounds, 0)
  }
}

/**
 * Closes the slots that speak of one of the pages [start, end): when it returns, no fault commits any more by what was
 * mapped there. Nobody fills them again: the VMAs are being changed, or have left the tree. The mmap lock is held.
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
