// Accesses through a secondary MMU: what a device, or a virtual machine, does with the memory of a program.
//
// An access finds its translation in the shadow table of the observer, or walks the page table of the program and
// enters what it finds there, after the protocol of mmu-notifier.ts; what is not mapped yet is faulted in as if the
// program had touched it (KVM's `direct_page_fault`, and `hmm_range_fault`, which takes no references either), only
// that protection keys forbid a device nothing: they are a matter of threads (FAULT_FLAG_REMOTE of hmm_vma_fault). The
// observer stays locked until the data has moved: a thread that withdraws the translation waits that long, as for the
// flush of a TLB. Left out is `clear_flush_young`: reclaim does not ask observers whether a page was used.

import { cpuWait, disableInterrupts, enableInterrupts, callEnter, callExit } from '../machine/cpu.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../machine/frames.ts'
import { ACCESS_READ, ACCESS_WRITE } from '../machine/mmu.ts'
import { FAULT_REMOTE, FAULT_WRITE, PTE_ACCESSED, PTE_DIRTY, PTE_FRAME_SHIFT } from '../machine/pte.ts'
import { noteWritten, sectorMask } from '../machine/sectors.ts'
import { VM_FAULT_ERROR } from '../mm/fault-context.ts'
import type { Task } from '../mm/task.ts'
import { spinLock, spinUnlock } from '../sync/spinlock.ts'
import {
  MmuNotifier,
  enterShadow,
  findShadow,
  invalidateRetry,
  invalidateSequence,
  isInvalidating,
} from '../tables/mmu-notifier.ts'
import { findPteTable, pteAddress } from '../tables/page-table.ts'
import { raiseSignal } from './access.ts'
import { handleUserFault } from './fault.ts'

/** Loads a word at a multiple of four through the observer. Throws what the program's access would. */
export function secondaryLoadInt32(cpu: Task, notifier: number, address: number): number {
  const frame = secondaryFrame(cpu, notifier, address, ACCESS_READ)
  const value = Atomics.load(cpu.memory.words, wordOf(frame, address))
  secondaryDone(cpu, notifier)
  return value
}

/** Stores a word at a multiple of four through the observer. Throws what the program's access would. */
export function secondaryStoreInt32(cpu: Task, notifier: number, address: number, value: number): void {
  const frame = secondaryFrame(cpu, notifier, address, ACCESS_WRITE)
  noteWritten(cpu, frame, sectorMask(address & (PAGE_SIZE - 1), 4))
  Atomics.store(cpu.memory.words, wordOf(frame, address), value)
  secondaryDone(cpu, notifier)
}

function wordOf(frame: number, address: number): number {
  return frame * PAGE_WORDS + ((address & (PAGE_SIZE - 1)) >> 2)
}

/** The frame that the access reaches. On return the CPU is inside and the observer locked, until secondaryDone(). */
function secondaryFrame(cpu: Task, notifier: number, address: number, access: number): number {
  const page = (address / PAGE_SIZE) | 0
  callEnter(cpu)
  for (;;) {
    spinLock(cpu, notifier + MmuNotifier.lock)
    const entry = findShadow(cpu, notifier, page)
    if ((entry & access) === access) return entry >>> PTE_FRAME_SHIFT
    spinUnlock(cpu, notifier + MmuNotifier.lock)
    const result = shadowFault(cpu, notifier, page, access)
    if ((result & VM_FAULT_ERROR) !== 0) raiseSignal(cpu, result, address, access)
  }
}

function secondaryDone(cpu: Task, notifier: number): void {
  spinUnlock(cpu, notifier + MmuNotifier.lock)
  callExit(cpu)
}

/** Tries to enter the page into the shadow table. Returns an error of the fault that it took, or 0; then look again. */
function shadowFault(cpu: Task, notifier: number, page: number, access: number): number {
  const mm = cpu.heap[notifier + MmuNotifier.mm]
  const sequence = invalidateSequence(cpu, notifier)
  const entry = lookUpEntry(cpu, mm, page, access)
  if (entry === 0) {
    const write = access === ACCESS_WRITE ? FAULT_WRITE : 0
    return handleUserFault(cpu, mm, page, FAULT_REMOTE | write)
  }
  spinLock(cpu, notifier + MmuNotifier.lock)
  const stale = invalidateRetry(cpu, notifier, page, sequence)
  if (!stale) enterShadow(cpu, notifier, page, entry)
  spinUnlock(cpu, notifier + MmuNotifier.lock)
  if (stale) waitForInvalidation(cpu, notifier, page)
  return 0
}

/**
 * The entry of the page if it allows the access, else 0; without a lock, as the hardware and `gup_fast` walk. The
 * entry may be withdrawn at any moment. Like the hardware, this sets the accessed and dirty bits.
 */
function lookUpEntry(cpu: Task, mm: number, page: number, access: number): number {
  disableInterrupts(cpu)
  const table = findPteTable(cpu, mm, page)
  const entry = table === 0 ? 0 : useEntry(cpu, pteAddress(table, page), access)
  enableInterrupts(cpu)
  return entry
}

function useEntry(cpu: Task, address: number, access: number): number {
  const permissions = access & ~PTE_DIRTY
  for (;;) {
    const entry = Atomics.load(cpu.heap, address)
    if ((entry & permissions) !== permissions) return 0
    const used = entry | PTE_ACCESSED | (access & PTE_DIRTY)
    if (used === entry || Atomics.compareExchange(cpu.heap, address, entry, used) === entry) return used
  }
}

/** Waits until the page is not being invalidated: until then, looking again would find nothing. */
function waitForInvalidation(cpu: Task, notifier: number, page: number): void {
  const word = notifier + MmuNotifier.invalidateInProgress
  for (let spins = 0; ; spins++) {
    spinLock(cpu, notifier + MmuNotifier.lock)
    const underWay = isInvalidating(cpu, notifier, page) ? Atomics.load(cpu.heap, word) : 0
    spinUnlock(cpu, notifier + MmuNotifier.lock)
    if (underWay === 0) return
    cpuWait(cpu, word, underWay, spins)
  }
}
