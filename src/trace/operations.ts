// How a worker reads what it has to do: operations of a replay as 32-bit words. Imports nothing that a program in
// steppable form cannot.

import type { NotReproducedKind } from './replay-protocol.ts'

/**
 * Operations of a worker's stream. First word: operation | note << 4 | guest << 8 | waits << 16; then for each wait a
 * worker and an operation number; then the payload, whose last word is the seat, which tells thread and address space.
 */
export const OP_TOUCH = 1 // page, offset | error code << 12 | OP_TOUCH_ flags, line of the trace
export const OP_MAP = 2 // page, pages, protection | flags << 8, file, file page
export const OP_UNMAP = 3 // page, pages
export const OP_PROTECT = 4 // page, pages, protection
export const OP_ADVISE = 5 // page, pages, advice
export const OP_REMAP = 6 // page, old pages, new pages, flags, new page
export const OP_BRK = 7 // page, offset, result page, result offset
export const OP_FORK = 8 // image of the copy
export const OP_EXEC = 9 // makes the address space of the seat
export const OP_LEAVE = 10 // the worker has nothing more to do in the address space
export const OP_DESTROY = 11
export const OP_SLEEP = 12 // does nothing: what passes before and after it differs; of timed plans only

export const PAYLOAD_WORDS: readonly number[] = [0, 4, 6, 3, 4, 4, 6, 5, 2, 1, 1, 1, 1]

export const OP_TOUCH_ERROR_SHIFT = 12
/** Linux took the mmap lock in this fault. */
export const OP_TOUCH_LOCKED = 1 << 20
/** Linux refused the access. */
export const OP_TOUCH_REFUSED = 1 << 21
/** Before the access, as the recorded fault shows it: the page is taken out; the page is mapped for reading. */
export const OP_TOUCH_REMOVE = 1 << 22
export const OP_TOUCH_PRESENT = 1 << 23

export const OP_NOTE_SHIFT = 4
export const OP_GUEST = 1 << 8
export const OP_WAITS_SHIFT = 16

/** Why a fault may not occur in the replay, as far as the order of the records tells. */
export const NOTE_NONE = 0
/** The page is there already, by a fault of the same thread. */
export const NOTE_MAPPED = 1
/** Another thread's fault on the same page came first; both found it missing when the program was recorded. */
export const NOTE_MAPPED_BY_OTHER = 2
/** The kernel maps it around a neighbour's fault. */
export const NOTE_MAPPED_AROUND = 3

/** The bits of the x86 error code that must agree: protection, write, instruction fetch. */
export const COMPARED_BITS = 0x13
const FAULT_WRITE = 2
const FAULT_USER = 4
const FAULT_INSTRUCTION = 16

/** The access that took a fault of this error code. */
export function accessOf(errorCode: number): 'r' | 'w' | 'x' {
  if ((errorCode & FAULT_WRITE) !== 0) return 'w'
  return (errorCode & FAULT_INSTRUCTION) !== 0 ? 'x' : 'r'
}

/** Whether it was one of the kernel, which fetches no instructions of a program. */
export function isAccessOfKernel(errorCode: number): boolean {
  return (errorCode & (FAULT_USER | FAULT_INSTRUCTION)) === 0
}

/** The signal of an access that is refused, by its name, as a program in steppable form has classes of its own. */
export function isSignal(error: unknown): boolean {
  return error instanceof Error && (error.name === 'SegmentationFault' || error.name === 'BusError')
}

/** What a recorded fault that was not reproduced counts as. @param note of its operation, NOTE_ constants */
export function unmatchedKind(note: number, faulted: boolean): NotReproducedKind {
  if (faulted) return 'otherKind'
  switch (note) {
    case NOTE_MAPPED:
      return 'alreadyMapped'
    case NOTE_MAPPED_BY_OTHER:
      return 'mappedByAnotherThread'
    case NOTE_MAPPED_AROUND:
      return 'mappedByFaultAround'
    default:
      return 'noFault'
  }
}
