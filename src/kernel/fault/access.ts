// Accesses of a program: what a load or store instruction does.
//
// An access is one instruction: from the look into the TLB to the data no interrupt is answered, so that a frame
// cannot be taken away in between. A fault is handled and the instruction begins anew. Values that do not lie in one
// page are moved byte by byte.

import { beginWork, disableInterrupts, endWork, kernelEnter, kernelExit } from '../machine/cpu.ts'
import {
  type AccessKind,
  BusError,
  FaultOutOfMemory,
  SegmentationFault,
  type SegmentationFaultCode,
} from '../machine/errors.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../machine/frames.ts'
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, translate } from '../machine/mmu.ts'
import { FAULT_USER, PTE_FRAME_SHIFT } from '../machine/pte.ts'
import { noteStore, noteWritten, sectorMask } from '../machine/sectors.ts'
import { EFAULT, errnoName } from '../mm/errno.ts'
import {
  VM_FAULT_ACCERR,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_PKUERR,
  VM_FAULT_SIGBUS,
} from '../mm/fault-context.ts'
import { Mm } from '../mm/mm.ts'
import type { Task } from '../mm/task.ts'
import { handleUserFault } from './fault.ts'
import { overwritePage } from './whole-page.ts'

export { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE }

/** No error code: the access had a translation. (0 is that of the kernel's read of a page that is not there.) */
export const NO_FAULT = -1

const OFFSET_MASK = PAGE_SIZE - 1

/** The page number of an address in bytes, below 2^43. */
function pageNumber(address: number): number {
  return (address / PAGE_SIZE) | 0
}

/**
 * The frame that an access to `address` reaches, after handling its faults. On return interrupts are disabled, until
 * the data has moved and {@link accessDone} is called. Throws the signal of a failed access, outside the kernel.
 */
function accessFrame(cpu: Task, mm: number, address: number, access: number): number {
  const page = pageNumber(address)
  kernelEnter(cpu)
  cpu.interruptsEnabled = false
  const entry = translate(cpu, mm + Mm.pgd, page, access)
  return (entry !== 0 ? entry : faultIn(cpu, mm, address, access, FAULT_USER)) >>> PTE_FRAME_SHIFT
}

/**
 * Handles faults until the access has a translation, and returns it. `mode` is FAULT_USER, or 0 for an access that the
 * kernel makes: if that fails, this function returns 0 and raises no signal, as Linux does by its exception table.
 */
function faultIn(cpu: Task, mm: number, address: number, access: number, mode: number): number {
  const page = pageNumber(address)
  beginWork(cpu)
  for (;;) {
    const errorCode = (cpu.faultError & ~FAULT_USER) | mode
    if (cpu.firstFaultError === NO_FAULT) cpu.firstFaultError = errorCode
    cpu.interruptsEnabled = true
    cpu.ioError = 0
    const result = handleUserFault(cpu, mm, page, errorCode)
    if ((result & VM_FAULT_ERROR) !== 0) {
      if (mode === FAULT_USER) raiseSignal(cpu, result, address, access)
      endWork(cpu)
      return 0
    }
    disableInterrupts(cpu)
    const entry = translate(cpu, mm + Mm.pgd, page, access)
    if (entry === 0) continue
    endWork(cpu)
    return entry
  }
}

/**
 * Begins an access that the caller itself makes to the memory. Returns where the byte at `address` is in memory. The
 * caller stays within the page, does not throw, and calls {@link accessDone} afterwards. Throws the signal of an access
 * that fails.
 */
export function beginAccess(cpu: Task, mm: number, address: number, write: boolean): number {
  const frame = accessFrame(cpu, mm, address, write ? ACCESS_WRITE : ACCESS_READ)
  if (write) noteStore(cpu, pageNumber(address), frame, address & OFFSET_MASK)
  return frame * PAGE_SIZE + (address & OFFSET_MASK)
}

export function accessDone(cpu: Task): void {
  cpu.interruptsEnabled = true
  kernelExit(cpu)
}

/** Leaves the kernel and throws what the `result` of a fault says. */
export function raiseSignal(cpu: Task, result: number, address: number, access: number): never {
  endWork(cpu)
  kernelExit(cpu)
  if ((result & VM_FAULT_OOM) !== 0) throw new FaultOutOfMemory(address)
  if ((result & VM_FAULT_SIGBUS) !== 0) {
    throw new BusError(address, cpu.id, cpu.ioError === 0 ? null : errnoName(-cpu.ioError))
  }
  throw new SegmentationFault(segvCode(result), address, cpu.id, accessKind(access))
}

function segvCode(result: number): SegmentationFaultCode {
  if ((result & VM_FAULT_PKUERR) !== 0) return 'SEGV_PKUERR'
  return (result & VM_FAULT_ACCERR) !== 0 ? 'SEGV_ACCERR' : 'SEGV_MAPERR'
}

function accessKind(access: number): AccessKind {
  if (access === ACCESS_WRITE) return 'w'
  return access === ACCESS_EXECUTE ? 'x' : 'r'
}

/**
 * Does what an access to the page of `address` does to the memory manager, without moving data. Returns the x86 error
 * code of the first fault that it took, or NO_FAULT.
 */
export function touch(cpu: Task, mm: number, address: number, access: number): number {
  cpu.firstFaultError = NO_FAULT
  accessFrame(cpu, mm, address, access)
  accessDone(cpu)
  return cpu.firstFaultError
}

/**
 * As {@link touch}, for an access that the kernel makes to the program's memory, as in `copy_to_user` and
 * `copy_from_user`. Returns -EFAULT if the access fails, for whatever reason.
 */
export function touchByKernel(cpu: Task, mm: number, address: number, access: number): number {
  cpu.firstFaultError = NO_FAULT
  kernelEnter(cpu)
  cpu.interruptsEnabled = false
  let entry = translate(cpu, mm + Mm.pgd, pageNumber(address), access)
  if (entry === 0) entry = faultIn(cpu, mm, address, access, 0)
  accessDone(cpu)
  return entry === 0 ? -EFAULT : cpu.firstFaultError
}

export function loadUint8(cpu: Task, mm: number, address: number): number {
  const frame = accessFrame(cpu, mm, address, ACCESS_READ)
  const value = cpu.memory.bytes[frame * PAGE_SIZE + (address & OFFSET_MASK)]
  accessDone(cpu)
  return value
}

export function storeUint8(cpu: Task, mm: number, address: number, value: number): void {
  const frame = accessFrame(cpu, mm, address, ACCESS_WRITE)
  noteStore(cpu, pageNumber(address), frame, address & OFFSET_MASK)
  cpu.memory.bytes[frame * PAGE_SIZE + (address & OFFSET_MASK)] = value
  accessDone(cpu)
}

/** Loads a word at a multiple of four. */
export function loadAlignedInt32(cpu: Task, mm: number, address: number): number {
  const frame = accessFrame(cpu, mm, address, ACCESS_READ)
  const value = cpu.memory.words[frame * PAGE_WORDS + ((address & OFFSET_MASK) >> 2)]
  accessDone(cpu)
  return value
}

/** Stores a word at a multiple of four. */
export function storeAlignedInt32(cpu: Task, mm: number, address: number, value: number): void {
  const frame = accessFrame(cpu, mm, address, ACCESS_WRITE)
  noteStore(cpu, pageNumber(address), frame, address & OFFSET_MASK)
  cpu.memory.words[frame * PAGE_WORDS + ((address & OFFSET_MASK) >> 2)] = value
  accessDone(cpu)
}

/** Atomic compare-and-swap of a word at a multiple of four. Returns what was there. */
export function compareExchangeInt32(
  cpu: Task,
  mm: number,
  address: number,
  expected: number,
  value: number,
): number {
  const frame = accessFrame(cpu, mm, address, ACCESS_WRITE)
  noteStore(cpu, pageNumber(address), frame, address & OFFSET_MASK)
  const word = frame * PAGE_WORDS + ((address & OFFSET_MASK) >> 2)
  const before = Atomics.compareExchange(cpu.memory.words, word, expected, value)
  accessDone(cpu)
  return before
}

/** Atomic addition to a word at a multiple of four. Returns what was there. */
export function addInt32(cpu: Task, mm: number, address: number, value: number): number {
  const frame = accessFrame(cpu, mm, address, ACCESS_WRITE)
  noteStore(cpu, pageNumber(address), frame, address & OFFSET_MASK)
  const before = Atomics.add(cpu.memory.words, frame * PAGE_WORDS + ((address & OFFSET_MASK) >> 2), value)
  accessDone(cpu)
  return before
}

/**
 * Reads `total` bytes, the length of `target`, from `address`, page by page. If this function throws a signal, it has
 * read what lies before that page. Returns the number of bytes read: fewer if `target` is the program's own array
 * (`theirs`) and has another length after a fault, during which the host may run code of the program.
 */
export function readBytes(
  cpu: Task,
  mm: number,
  address: number,
  target: Uint8Array,
  total: number,
  theirs: boolean,
): number {
  for (let done = 0; done < total;) {
    const offset = (address + done) & OFFSET_MASK
    const length = Math.min(PAGE_SIZE - offset, total - done)
    const frame = accessFrame(cpu, mm, address + done, ACCESS_READ)
    if (theirs && target.length !== total) return accessUndone(cpu, done)
    const from = frame * PAGE_SIZE + offset
    if (length <= SMALL_MOVE)
      for (let byte = 0; byte < length; byte++) target[done + byte] = cpu.memory.bytes[from + byte]
    else cpu.memory.copyOut(from, length, target, done)
    accessDone(cpu)
    done += length
  }
  return total
}

/** Writes the `total` bytes of `source` at `address`, as {@link readBytes} reads. */
export function writeBytes(
  cpu: Task,
  mm: number,
  address: number,
  source: Uint8Array,
  total: number,
): number {
  for (let done = 0; done < total;) {
    const offset = (address + done) & OFFSET_MASK
    const length = Math.min(PAGE_SIZE - offset, total - done)
    const frame = frameToWrite(cpu, mm, address + done, source, length === PAGE_SIZE ? done : NOT_WHOLE)
    if (source.length !== total) return accessUndone(cpu, done)
    if (frame === WRITTEN) {
      accessDone(cpu)
      done += length
      continue
    }
    noteWritten(cpu, frame, sectorMask(offset, length))
    const to = frame * PAGE_SIZE + offset
    if (length <= SMALL_MOVE)
      for (let byte = 0; byte < length; byte++) cpu.memory.bytes[to + byte] = source[done + byte]
    else cpu.memory.copyIn(to, source, done, length)
    accessDone(cpu)
    done += length
  }
  return total
}

/**
 * NOT_WHOLE instead of the place in the source where a page begins: the page is not written whole. WRITTEN instead of a
 * frame: it was.
 */
const NOT_WHOLE = -1
const WRITTEN = -1

/**
 * {@link accessFrame} for a write, or WRITTEN if this function has filled the page from `source`, from its byte `start`
 * on, without reading it. Returns with interrupts disabled in either case.
 */
function frameToWrite(cpu: Task, mm: number, address: number, source: Uint8Array, start: number): number {
  if (start === NOT_WHOLE) return accessFrame(cpu, mm, address, ACCESS_WRITE)
  const page = pageNumber(address)
  kernelEnter(cpu)
  cpu.interruptsEnabled = false
  let entry = translate(cpu, mm + Mm.pgd, page, ACCESS_WRITE)
  if (entry === 0 && makeWhole(cpu, mm, page, source, start)) return WRITTEN
  if (entry === 0) entry = faultIn(cpu, mm, address, ACCESS_WRITE, FAULT_USER)
  return entry >>> PTE_FRAME_SHIFT
}

function makeWhole(cpu: Task, mm: number, page: number, source: Uint8Array, start: number): boolean {
  const { faultError } = cpu
  beginWork(cpu)
  cpu.interruptsEnabled = true
  const done = overwritePage(cpu, mm, page, source, start)
  disableInterrupts(cpu)
  endWork(cpu)
  cpu.faultError = faultError
  return done
}

/** Ends an access that cannot be completed. Returns `done`. */
function accessUndone(cpu: Task, done: number): number {
  accessDone(cpu)
  return done
}

/** Below this many bytes a loop beats the set-up of a bulk move. */
const SMALL_MOVE = 16

/** Fills `length` bytes from `address` with `byte`. */
export function fillBytes(cpu: Task, mm: number, address: number, length: number, byte: number): void {
  for (let done = 0; done < length;) {
    const offset = (address + done) & OFFSET_MASK
    const run = Math.min(PAGE_SIZE - offset, length - done)
    const frame = accessFrame(cpu, mm, address + done, ACCESS_WRITE)
    noteWritten(cpu, frame, sectorMask(offset, run))
    const from = frame * PAGE_SIZE + offset
    if (byte === 0 && run === PAGE_SIZE) cpu.memory.zeroFrame(frame)
    else cpu.memory.bytes.fill(byte, from, from + run)
    accessDone(cpu)
    done += run
  }
}
