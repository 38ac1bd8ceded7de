/**
 * Recorded page faults: what each was, what memory it was on, and what became of it, which the next event tells.
 */
import { PAGES_PER_BLOCK, type CensusByProgram } from './given-back.ts'
import { callOfFunction } from './kernel-access.ts'
import { PAGE_SIZE, PROT_EXEC } from './layout.ts'
import type { LockEvents, LockParts } from './lock-events.ts'
import { NO_DURATIONS } from './operation-clock.ts'
import { FAULT_PROTECTION, FAULT_WRITE, pageDown, USER_ADDRESSES, type Recording } from './recorded-space.ts'
import type { Thread } from './recorded-thread.ts'
import { FAULT_UNKNOWN } from './trace-events.ts'

/** Bit of the x86 page-fault error code: taken in user mode. */
const FAULT_USER = 4
/** vm.mmap_min_addr of most systems: no program has anything mapped below. */
const LEAST_MAPPED_ADDRESS = 0x10000
/** Kernel addresses begin here. */
export const KERNEL_ADDRESSES = 0xffff000000000000

/** What a thread did after a fault, where that is no other fault. */
export const NEXT_OTHER = -1
/** It ended, or mapped what had been missing: the fault was refused. */
export const NEXT_EXIT = -2
/** The recording ends. */
export const NEXT_END = -3

/** What of an import faults need. */
interface FaultParts extends LockParts {
  readonly recording: Recording
  readonly census: CensusByProgram
  readonly locks: LockEvents
}

export class FaultEvents {
  count = 0
  /** Faults that the kernel was not to handle, and did not (pagefault_disable). */
  unhandled = 0
  /** Faults that the trace tells no error code of. */
  bare = 0
  readonly #in: FaultParts

  constructor(parts: FaultParts) {
    this.#in = parts
  }

  /**
   * @param kernel whether the kernel took it
   * @param from where: the address in the program, the name of the function of the kernel
   */
  fault(thread: Thread, address: number, recordedCode: number, kernel: boolean, from: string | number): void {
    // Beside the tracepoints of faults, it tells of the same ones.
    const isBare = recordedCode === FAULT_UNKNOWN
    if (isBare && this.count > this.bare) return
    if (isBare) this.bare++
    this.settle(thread, address)
    const errorCode = kernel ? recordedCode & ~FAULT_USER : recordedCode | FAULT_USER
    thread.process.faults++
    this.count++
    thread.inFault = true
    thread.forkNs = -1
    thread.faultIsOpen = true
    thread.faultAddress = address
    thread.faultCode = errorCode
    thread.faultIsKernel = kernel
    thread.faultIsOutside = false
    thread.faultTookLock = false
    thread.faultLock = -1
    thread.faultLockedNs = -1
    thread.faultTook = NO_DURATIONS
    thread.faultNs = this.#in.scanner.nowNs
    thread.faultFrom = from
    this.#in.activity.begin(thread)
    thread.samples.begin(from, false)
    thread.endIsKnown = false
    thread.faultIsAvoidable = false
    thread.faultIsNew = false
    thread.faultIsAgain = false
    thread.faultIsOfFork = false
    thread.mapping = undefined
    thread.faultCall = kernel ? (thread.otherCall ?? callOfFunction(String(from))) : ''
    thread.activity++
    this.#in.locks.endTry(thread)
    this.#in.recording.line = this.#in.scanner.line
    // Its address space is left already.
    if (thread.sinks.length === 0) thread.process.space.countOutside()
    if (address >= USER_ADDRESSES) {
      if (address < KERNEL_ADDRESSES)
        throw this.#in.scanner.outOfRange(
          `a page fault at 0x${address.toString(16)}, which is no 48-bit user address`,
        )
      for (const { space, seat } of thread.sinks) space.countKernelAddress(seat)
      return
    }
    const known = errorCode & ~FAULT_UNKNOWN
    this.#in.calls.settleProtections(thread, address, known)
    for (const { space, seat } of thread.sinks)
      if (!space.fault(seat, address, known)) thread.faultIsOutside = true
    this.#takeFromStock(thread, errorCode)
  }

  /** A fault on a new page of anonymous memory takes a page of what was given back before. */
  #takeFromStock(thread: Thread, errorCode: number): void {
    const space = thread.sinks[0]?.space
    const mapping = space?.layout.find(thread.faultAddress)
    thread.mapping = mapping
    if (space === undefined || mapping === undefined) return
    if ((errorCode & FAULT_PROTECTION) !== 0) {
      const isCopied = (errorCode & FAULT_WRITE) !== 0 && mapping.file === 0 && !mapping.shared
      thread.faultIsOfFork = isCopied && thread.process.forks > 0
      return
    }
    if (mapping.file !== 0) {
      const { file, offset, start } = mapping
      const page = Math.floor((thread.faultAddress - start + offset) / PAGE_SIZE)
      thread.faultIsAgain = thread.process.mapsAgain(file, page)
      return
    }
    if (mapping.shared) return
    thread.faultIsNew = space.present.add(Math.floor(thread.faultAddress / PAGE_SIZE))
    if (!thread.faultIsNew || thread.process.stock === 0) return
    thread.process.stock--
    thread.faultIsAvoidable = true
  }

  /**
   * A thread goes on after a fault, which tells what became of that.
   * @param next the address of its next fault, or why it is another event
   */
  settle(thread: Thread, next: number): void {
    if (!thread.faultIsOpen) return
    thread.faultIsOpen = false
    const afterNs = next === NEXT_END ? -1 : this.#in.times.passed(thread, this.#in.scanner.nowNs)
    const { faultAddress, sinks, process } = thread
    for (const { space } of sinks) space.endFault(thread.tid, faultAddress)
    if (this.#wasUnhandled(thread, next)) {
      process.faults--
      this.count--
      this.unhandled++
      for (const { space, seat } of sinks) space.dropFault(seat)
      const page = Math.floor(faultAddress / PAGE_SIZE)
      if (thread.mapping?.file === 0) sinks[0]?.space.present.remove(page, page + 1)
      if (thread.faultIsAvoidable) process.stock++
      return
    }
    this.#countFault(thread, afterNs)
    if (thread.faultIsOutside && (next === NEXT_EXIT || faultAddress < LEAST_MAPPED_ADDRESS)) {
      for (const { space, seat } of sinks) space.refuseFault(seat, faultAddress)
    }
  }

  /** @param afterNs from the end of the fault that the trace shows, else its beginning, to what the thread did next */
  #countFault(thread: Thread, afterNs: number): void {
    const { faultIsKernel, faultIsAvoidable, faultCall, faultLockedNs, faultTook, faultAddress } = thread
    for (const observer of this.#in.observers) observer.fault(thread, this.#in.calls.nameOf)
    const { running } = thread
    const samples = thread.samples.counts()
    const fault = { lockedNs: faultLockedNs, took: faultTook, afterNs, samples, running }
    if (faultIsAvoidable) thread.avoidableFaults++
    for (const census of this.#in.census.of(thread.process.name)) {
      census.fault(faultIsKernel ? faultCall : null, fault, faultIsAvoidable)
      if (thread.faultIsAgain) census.again(fault)
      if (isFresh(thread)) census.onFresh(fault)
      if (thread.faultIsOfFork) census.writtenAfterFork({ ...fault, running: thread.runningUnforked })
      if (thread.process.isForked) census.ofForked(fault)
      if (!thread.faultIsNew) continue
      const page = Math.floor(faultAddress / PAGE_SIZE)
      if (faultIsKernel) census.copy(faultCall, thread, page, fault)
      else if (!faultIsAvoidable && hasWholeArea(thread, page))
        census.newPage(thread.process.space, page, fault)
    }
  }

  /**
   * Whether the kernel took a fault in itself that it was not to handle, and only looked for another way. It takes the
   * mmap lock for every fault of its own that it handles (lock_mm_and_find_vma, x86 and ARM64).
   */
  #wasUnhandled(thread: Thread, next: number): boolean {
    if (!thread.faultIsKernel || thread.faultTookLock || thread.faultAddress >= USER_ADDRESSES) return false
    // The event page-faults comes only after the look at whether it is to be handled.
    if ((thread.faultCode & FAULT_UNKNOWN) !== 0) return false
    if (next === NEXT_END) return false
    const again = next >= 0 && pageDown(next) === pageDown(thread.faultAddress)
    return again || this.#in.locks.kernelFaults > 0
  }
}

/** Whether the program's last fault was on a page that had not been there, of what something was mapped for. */
function isFresh({
  mapping,
  faultCode,
  faultIsKernel,
  faultIsAvoidable,
  faultIsAgain,
  process,
}: Thread): boolean {
  if (mapping === undefined || mapping.growsDown || faultIsKernel || faultIsAvoidable || faultIsAgain)
    return false
  if ((faultCode & FAULT_PROTECTION) !== 0 || (mapping.protection & PROT_EXEC) !== 0) return false
  const { heapStart, programBreak } = process.space
  return heapStart < 0 || mapping.end <= heapStart || mapping.start >= programBreak
}

/**
 * Whether a mapping has all of the area around a page for which there could be a huge page, and got it by one call: who
 * maps less at a time asks for no huge page.
 */
function hasWholeArea({ mapping, process }: Thread, page: number): boolean {
  if (mapping === undefined || mapping.growsDown) return false
  if (process.space.seams.hasWithin(Math.floor(page / PAGES_PER_BLOCK))) return false
  const bytes = PAGES_PER_BLOCK * PAGE_SIZE
  const start = Math.floor(page / PAGES_PER_BLOCK) * bytes
  return mapping.start <= start && start + bytes <= mapping.end
}
