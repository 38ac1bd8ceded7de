// Leaf slots, 2026: our own design. The page table itself records the mappings, where a fault must go anyway.
//
// A fault finds the pte table, guesses the mapping, prepares what it will need, locks the table, checks that a slot in
// its header agrees, stores the entry and unlocks (tables/leaf-slots.ts). The guess is what the thread's last fault
// found, or else what a slot seems to say. The fault touches neither the mmap lock nor the tree nor the VMA, and writes
// no word that faults elsewhere write. Only changes of its own pages disturb it, and a writer waits for it only at the
// lock of a table.
//
// Nothing else keeps the file of a mapping alive for a fault: the fault looks up a page with the table locked, and
// takes a reference on the file before it waits for one (race R20). It needs no mmap lock for that either.
//
// If no slot covers the page, the fault finds the VMA in the tree under RCU and fills a slot. Every write of a VMA
// moves its sequence count (vma-sequence.ts), and a VMA that leaves the tree is marked. A writer first marks, then
// closes the slots, then changes the mapping. If a fault sees no mark with the table locked, the writer will find the
// slot that it fills, since the writer visits this table later, and needs its lock. At the end the writer itself fills
// slots for what it has made, since the program will probably touch that next.
//
// Missing tables are made in the same way: under the lock of the upper levels, if the VMA is not marked. A writer that
// is about to remove tables first passes through that lock: its walk sees tables that were linked before, and later
// faults see the mark (races R5 and R14).
//
// The first write in a mapping gives it an anon_vma, and reads the neighbours for that. They change only under the mmap
// lock held for writing. A thread that takes that lock for writing first passes through the lock of the upper levels
// and leaves a mark there (race R23): under that lock, if there is no mark, a fault may read the neighbours.
//
// Faults inside the kernel are handled like those of the program. On x86, the designs of Linux leave them to the mmap
// lock because kernel code may fault while it holds that lock, and would wait for itself. A fault here waits only for
// locks of tables, and the kernel holds none of them while it touches the program's memory.

import { accessError, handlePteFault } from '../fault/fault.ts'
import { NothingHeld } from '../fault/hold.ts'
import { copyContainsPage, copyVma } from '../fault/speculative.ts'
import { cpuRelax, disableInterrupts, enableInterrupts } from '../machine/cpu.ts'
import { PMD_SHIFT, PTRS_PER_TABLE, PageTable, TABLE_INDEX_MASK } from '../machine/pte.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'
import { getFile } from '../memory/file.ts'
import {
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  type FaultContext,
  VM_FAULT_DROPPED,
  VM_FAULT_MAJOR,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
} from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { type VmEventName, VmEvent } from '../mm/vm-event.ts'
import { countVmEvent } from '../mm/vmstat.ts'
import { mmHasNotifiers } from '../tables/mmu-notifier.ts'
import { rcuReadLock, rcuReadUnlock } from '../sync/rcu.ts'
import { spinLock, spinTryLock, spinUnlock } from '../sync/spinlock.ts'
import { LEAF_SLOTS, closeRange, fillSlot, peekSlot, slotHolds } from '../tables/leaf-slots.ts'
import { allocPteTable, findPteTable, pteAddress } from '../tables/page-table.ts'
import { anonVmaPrepareUnlocked } from '../vma/anon-vma.ts'
import { releaseVmaRcu } from '../vma/vma-release.ts'
import { findVmaRcu } from '../vma/vma-tree.ts'
import { VM_SHARED, Vma, vmaIsAccessible } from '../vma/vma.ts'
import { VmaSequenceDesign } from './vma-sequence.ts'

/**
 * How often a fault begins anew because its slot changed before it had locked the table; then it takes the mmap lock.
 */
const TRIES = 3

export class LeafSlots extends VmaSequenceDesign {
  override readonly rangeTree = true
  override readonly fillsSlots = true
  override readonly speculatesInKernel = true
  override readonly speculatesOnFileMiss = true
  override readonly speculatesOnSwap = 'any'
  override readonly events: readonly VmEventName[] = [
    'leaf_slot_hit',
    'leaf_slot_fill',
    'leaf_abort_unmapped',
    'leaf_abort_access',
    'leaf_abort_changed',
    'leaf_abort_anon_vma',
    'leaf_abort_handler',
  ]

  override readonly description: DesignDescription = {
    name: 'leaf-slots',
    year: 2026,
    author: 'Faultline',
    rwsem: 'spinning',
    source: 'docs/leaf-slots.md; after CortenMM (SOSP 2025), whose page tables record the mappings',
    lookup: 'a slot in the page table; on a miss the range tree, under RCU',
    lifetime: 'VMAs are freed after a grace period; a file is used with the table locked, or by a reference',
    validation: 'the slot, compared with the table locked; writers close it before its pages change',
    commit: 'page-table lock',
    sharedWrites: ['page.flags', 'page.refcount'],
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writers

  /** A fault that reads the neighbours of its VMA to give it an anon_vma has finished, or finds the mark (race R23). */
  override mmapWriteLocked(cpu: Task, mm: number): void {
    // The mapping that this thread's last fault found may be about to change.
    cpu.fault.vmEnd = 0
    spinLock(cpu, mm + Mm.pageTableLock)
    Atomics.store(cpu.heap, mm + Mm.layoutChanging, 1)
    spinUnlock(cpu, mm + Mm.pageTableLock)
  }

  override mmapWriteUnlocking(cpu: Task, mm: number): void {
    Atomics.store(cpu.heap, mm + Mm.layoutChanging, 0)
  }

  override rangeChanging(cpu: Task, mm: number, start: number, end: number): void {
    closeRange(cpu, mm, start, end)
  }

  /**
   * Fills slots where page tables are already, at the ends of what has changed: so the first fault after a heap has
   * grown, or in what was mapped beside other mappings, finds one. Nobody marks the VMA meanwhile.
   */
  override rangeChanged(cpu: Task, vma: number, start: number, end: number): void {
    const { fault } = cpu
    copyVma(cpu, fault, vma)
    if (vmaIsAccessible(fault.vmFlags)) {
      const mm = cpu.heap[vma + Vma.vmMm]
      fillIfTable(cpu, fault, mm, start)
      if (start >> PMD_SHIFT !== (end - 1) >> PMD_SHIFT) fillIfTable(cpu, fault, mm, end - 1)
    }
    // The whole mapping would be too large a guess: other tables may have no slot for it.
    fault.vmEnd = 0
  }

  /**
   * Until the flush at the end, other threads may write to a page that the child shares already (race R1). Of a mapping
   * without an anon_vma fork copies no pages, and no fault gives it one meanwhile, which needs the mmap lock.
   */
  override forkBegin(cpu: Task, vma: number): void {
    const { heap } = cpu
    if (Atomics.load(heap, vma + Vma.anonVma) === 0) return
    super.forkBegin(cpu, vma)
    closeRange(cpu, heap[vma + Vma.vmMm], heap[vma + Vma.vmStart], heap[vma + Vma.vmEnd])
  }

  /** Faults that were linking a table have finished, and later ones find no VMA. */
  override pageTablesFreeing(cpu: Task, mm: number, _start: number, _end: number): void {
    spinLock(cpu, mm + Mm.pageTableLock)
    spinUnlock(cpu, mm + Mm.pageTableLock)
  }

  /** A fault touches the file only with a table locked whose slot names it, or with a reference of its own. */
  override releaseVma(cpu: Task, vma: number): void {
    releaseVmaRcu(cpu, vma)
  }

  /**
   * A call that only changes entries writes as a fault does: in each table that it has locked, it makes sure that the
   * VMA stands. A thread that registers an observer meanwhile does not use it before this RCU section is over (race
   * R17).
   */
  override entriesChangeBegin(cpu: Task, mm: number, start: number, end: number): boolean {
    if (!cpu.config.MMU_GATHER_RCU_TABLE_FREE) return false
    const { fault } = cpu
    fault.mm = mm
    fault.page = start
    rcuReadLock(cpu)
    if (this.#copyVma(cpu, fault) === 0 && end <= fault.vmEnd && !mmHasNotifiers(cpu, mm)) return true
    rcuReadUnlock(cpu)
    return false
  }

  override entriesChangeEnd(cpu: Task): void {
    rcuReadUnlock(cpu)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Faults

  override speculativeFault(cpu: Task, errorCode: number): number {
    const { fault } = cpu
    countVmEvent(cpu, VmEvent.spf_attempt)
    let reason: number = VmEvent.leaf_abort_changed
    fault.hold = slotHeld
    fault.filled = false
    for (let tries = 0; tries < TRIES; tries++) {
      fault.changed = false
      rcuReadLock(cpu)
      const found = this.#find(cpu, fault, errorCode, tries)
      const result = found === 0 ? handlePteFault(cpu, fault) : VM_FAULT_RETRY
      const slept = (result & VM_FAULT_DROPPED) !== 0
      if (!slept) rcuReadUnlock(cpu)
      if ((result & VM_FAULT_MAJOR) !== 0) fault.flags |= FAULT_FLAG_TRIED
      // The handlers relied on a guess: only the locked path decides that an access fails (invariant I1).
      if ((result & (VM_FAULT_RETRY | VM_FAULT_ERROR)) === 0) {
        countVmEvent(cpu, VmEvent.pgfault)
        if (!fault.filled) countVmEvent(cpu, VmEvent.leaf_slot_hit)
        return result
      }
      if (fault.changed || (slept && (result & VM_FAULT_ERROR) === 0)) continue
      reason = found === 0 ? VmEvent.leaf_abort_handler : found
      break
    }
    countVmEvent(cpu, reason)
    countVmEvent(cpu, VmEvent.spf_abort)
    return VM_FAULT_RETRY
  }

  /**
   * Finds the mapping of the page, the table and the entry. The first guess is the mapping that this thread's last
   * fault has left in `cpu.fault`: reading it costs nothing, and does not touch the line of the table's lock before the
   * fault takes it. Returns 0, or why the fault gives up.
   */
  #find(cpu: Task, fault: FaultContext, errorCode: number, tries: number): number {
    const guessed = tries === 0 && suffices(cpu, fault, errorCode)
    if (!peek(cpu, fault, guessed)) return this.#fill(cpu, fault, errorCode)
    return guessed || !accessError(errorCode, fault.vmFlags) ? 0 : VmEvent.leaf_abort_access
  }

  /** No slot covers the page: fills one from the VMA. Returns as {@link #find}. */
  #fill(cpu: Task, fault: FaultContext, errorCode: number): number {
    const problem = this.#copyVma(cpu, fault)
    if (problem !== 0) return problem
    if (accessError(errorCode, fault.vmFlags)) return VmEvent.leaf_abort_access
    if (lacksAnonVma(cpu, fault) && !anonVmaPrepareUnlocked(cpu, fault)) return VmEvent.leaf_abort_anon_vma
    // If tables are freed after an interrupt, the upper ones could go while this CPU waits for a lock, as it answers
    // interrupts there: then it leaves a missing table to the classic path.
    if (cpu.config.MMU_GATHER_RCU_TABLE_FREE) fault.table = allocPteTable(cpu, fault.mm, fault.page, fault)
    if (fault.table === 0) return VmEvent.leaf_abort_handler
    if (!this.#lockTable(cpu, fault, false)) return noteChange(fault)
    const isFirst = fillSlot(cpu, fault, fault.table, fault.page)
    fault.originalPte = Atomics.load(cpu.heap, pteAddress(fault.table, fault.page))
    spinUnlock(cpu, fault.table + PageTable.ptl)
    fault.filled = true
    countVmEvent(cpu, VmEvent.leaf_slot_fill)
    // That overwrites the fault's copy of its own mapping, so the fault begins anew, by its slot.
    return isFirst && this.#fillBeside(cpu, fault) ? noteChange(fault) : 0
  }

  /**
   * Fills the other slots of a table that had none with the other mappings there: most often, the parts of a library.
   * Returns whether it has looked for any.
   */
  #fillBeside(cpu: Task, fault: FaultContext): boolean {
    const first = fault.page - (fault.page & TABLE_INDEX_MASK)
    const end = first + PTRS_PER_TABLE
    if (!cpu.config.MMU_GATHER_RCU_TABLE_FREE || (fault.vmStart <= first && end <= fault.vmEnd)) return false
    let slots = 1
    for (let page = first; page < end && slots < LEAF_SLOTS; page = fault.vmEnd) {
      const vma = findVmaRcu(cpu, fault.mm, page)
      if (vma === 0 || !this.snapshot(cpu, fault, vma) || fault.vmStart >= end || fault.vmEnd <= page) break
      if (copyContainsPage(fault) || !vmaIsAccessible(fault.vmFlags)) continue
      if (!this.#lockTable(cpu, fault, false)) break
      fillSlot(cpu, fault, fault.table, fault.page)
      spinUnlock(cpu, fault.table + PageTable.ptl)
      slots++
    }
    return true
  }

  /** Copies the VMA of the page, if no writer has begun to change it. Returns as {@link #find}. */
  #copyVma(cpu: Task, fault: FaultContext): number {
    const vma = findVmaRcu(cpu, fault.mm, fault.page)
    if (vma === 0) return VmEvent.leaf_abort_unmapped
    // A writer that changes the VMA holds the mmap lock, perhaps for long: the fault does not try again.
    if (!this.snapshot(cpu, fault, vma)) return VmEvent.leaf_abort_changed
    if (!copyContainsPage(fault)) return VmEvent.leaf_abort_unmapped
    return this.hasChanged(cpu, fault) ? noteChange(fault) : 0
  }

  /** No writer has begun to change the VMA that the fault has copied. */
  override vmaStands(cpu: Task, fault: FaultContext): boolean {
    return !this.hasChanged(cpu, fault)
  }

  /** The commit: a writer that changes the mapping here must first close the slot, for which it needs the lock. */
  override pteMapLock(cpu: Task, fault: FaultContext): boolean {
    if (this.#lockTable(cpu, fault, true)) return true
    fault.changed = true
    return false
  }

  /** Locks the table of the fault if its slot holds, or, to fill one, if its VMA stands. */
  #lockTable(cpu: Task, fault: FaultContext, bySlot: boolean): boolean {
    if (!cpu.config.MMU_GATHER_RCU_TABLE_FREE) return this.#lockTableWithoutRcu(cpu, fault, bySlot)
    // The holder may be waiting until this CPU has flushed its TLB, which it does while it waits (race R11). The table
    // may have been taken out, but stays in memory: there is no slot in it then, and the VMA is marked.
    spinLock(cpu, fault.table + PageTable.ptl)
    if (bySlot ? slotHolds(cpu, fault) : this.vmaStands(cpu, fault)) return true
    spinUnlock(cpu, fault.table + PageTable.ptl)
    return false
  }

  /** With interrupts disabled no table that is found is freed; but then this CPU may not wait for a lock (race R11). */
  #lockTableWithoutRcu(cpu: Task, fault: FaultContext, bySlot: boolean): boolean {
    const lock = fault.table + PageTable.ptl
    for (;;) {
      disableInterrupts(cpu)
      const there = findPteTable(cpu, fault.mm, fault.page) === fault.table
      const locked = there && spinTryLock(cpu, lock)
      const good = locked && (bySlot ? slotHolds(cpu, fault) : this.vmaStands(cpu, fault))
      if (locked && !good) spinUnlock(cpu, lock)
      enableInterrupts(cpu)
      if (locked || !there) return good
      cpuRelax(cpu)
    }
  }
}

/**
 * The fault holds no lock, only an RCU read-side section, which keeps the table and the VMA allocated. A slot is valid
 * only while the table is locked. So the fault looks up pages of a file under that lock; a fault that must sleep for a
 * page first takes a reference on the file, then releases lock and section, and begins anew after it has slept.
 */
class SlotHeld extends NothingHeld {
  override readonly gone = 0
  override readonly keepsFile = false

  override lookupBegin(cpu: Task, fault: FaultContext): boolean {
    return this.lockTable(cpu, fault)
  }

  override lookupEnd(cpu: Task, fault: FaultContext): void {
    spinUnlock(cpu, fault.table + PageTable.ptl)
  }

  /** For a file: while the fault is looking for a page of it. */
  override release(cpu: Task, fault: FaultContext, file: number): boolean {
    if (file !== 0) {
      getFile(cpu, file)
      spinUnlock(cpu, fault.table + PageTable.ptl)
    }
    rcuReadUnlock(cpu)
    return true
  }

  override maySleep(_cpu: Task): boolean {
    return true
  }
}

const slotHeld = new SlotHeld()

/** Fills a slot, in the table that covers the page, with the fault's copy of a mapping, if there is such a table. */
function fillIfTable(cpu: Task, fault: FaultContext, mm: number, page: number): void {
  const table = findPteTable(cpu, mm, page)
  if (table === 0) return
  spinLock(cpu, table + PageTable.ptl)
  fillSlot(cpu, fault, table, page)
  spinUnlock(cpu, table + PageTable.ptl)
}

/** The fault's copy of a mapping contains the page, and allows the access. */
function suffices(cpu: Task, fault: FaultContext, errorCode: number): boolean {
  return copyContainsPage(fault) && !lacksAnonVma(cpu, fault) && !accessError(errorCode, fault.vmFlags)
}

/**
 * Finds the table and the entry, and, unless the fault has `guessed` the mapping, the one that a slot seems to name.
 */
function peek(cpu: Task, fault: FaultContext, guessed: boolean): boolean {
  const usesRcu = cpu.config.MMU_GATHER_RCU_TABLE_FREE
  if (!usesRcu) disableInterrupts(cpu)
  const table = findPteTable(cpu, fault.mm, fault.page)
  fault.table = table
  const found = table !== 0 && (guessed || (peekSlot(cpu, fault) && !lacksAnonVma(cpu, fault)))
  if (found) fault.originalPte = Atomics.load(cpu.heap, pteAddress(table, fault.page))
  if (!usesRcu) enableInterrupts(cpu)
  return found
}

/** The fault may have to make a page of the program's own, which must refer to the anon_vma of its mapping. */
function lacksAnonVma(cpu: Task, fault: FaultContext): boolean {
  if (fault.anonVma !== 0 || (fault.vmFlags & VM_SHARED) !== 0) return false
  if ((fault.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0) return true
  return fault.vmFile === 0 && cpu.config.MM_FORBIDS_ZEROPAGE
}

function noteChange(fault: FaultContext): number {
  fault.changed = true
  return VmEvent.leaf_abort_changed
}
