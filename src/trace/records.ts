/**
 * The form in which the importer keeps what happened: records of 32-bit words, of all address spaces in one sequence,
 * in the order in which they took effect, with the programs' own addresses.
 *
 * Every record begins with `kind | …` and the number of a seat: a thread in one address space. An address takes two
 * words (low 32 bits, the rest), so that 48 bits are exact without BigInt.
 */

/** A page fault: kind | window << 8 | errorCode << 16 | FAULT_ flags, seat, address (two words), line of the trace. */
export const RECORD_FAULT = 1
/** A fault that made a stack grow: as a fault, and the number of pages between it and the stack as it was. */
export const RECORD_STACK_FAULT = 2
/** A fault on a mapped file: as a fault, the file's number, the page's number in the file. */
export const RECORD_FILE_FAULT = 12
/** A call: see the CALL_ offsets below. */
export const RECORD_MAP = 3
export const RECORD_UNMAP = 4
export const RECORD_PROTECT = 5
export const RECORD_ADVISE = 6
export const RECORD_REMAP = 7
export const RECORD_BRK = 8
/** The thread forked the address space: kind, seat, the child's seat in the copy, 0. */
export const RECORD_FORK = 9
/** The thread created another: kind, seat, the other's, 0. */
export const RECORD_CREATE = 10
/** The thread waited for another that had borrowed the address space (vfork): kind, seat, the other's, 0. */
export const RECORD_JOIN = 11
/** exec made an address space: kind, the thread's seat in it, its seat before, 0. */
export const RECORD_EXEC = 13
/** The last thread left the address space, by exit or exec: kind, seat, 0, 0. */
export const RECORD_DESTROY = 14

/** The thread went to sleep: kind, seat, 0, 0; and woke another: kind, seat, the other's, 0. Of timed imports only. */
export const RECORD_SLEEP = 15
export const RECORD_WAKE = 16

/** Words of each kind of record. */
export const RECORD_WORDS: readonly number[] = [0, 5, 6, 12, 12, 12, 12, 12, 12, 4, 4, 4, 7, 4, 4, 4, 4]

/** The words behind a fault's address: its line; then those that its kind has of its own. */
export const FAULT_LINE = 4
export const FAULT_MORE = 5

/** Whether a record tells of threads and address spaces only, and names no address. */
export function isMarker(kind: number): boolean {
  return kind >= RECORD_FORK && kind !== RECORD_FILE_FAULT
}

/**
 * Window of a fault: which neighbouring pages the kernel may map along with it. Bits 0-3: pages below, bits 4-7: pages
 * above. Zero for a fault that concerns its page alone.
 */
export const FAULT_WINDOW_SHIFT = 8
export const FAULT_ERROR_SHIFT = 16
export const FAULT_ERROR_MASK = 0xff
/** Linux refused the access: a signal, or an error of the call that it was made for. */
export const FAULT_REFUSED = 1 << 24
/** The kernel was not to handle it (pagefault_disable) and looked away: no state changes, nothing to perform. */
export const FAULT_UNHANDLED = 1 << 25
/** No recorded mapping is there: not performed, unless Linux refused it too. */
export const FAULT_OUTSIDE = 1 << 26
/** Another thread was in a fault on the same page at that moment. */
export const FAULT_RACING = 1 << 27
/** Linux took the mmap lock during the fault. */
export const FAULT_LOCKED = 1 << 31

// Offsets in a call record: kind | status << 8 | flags << 16, seat, then:
export const CALL_ADDRESS = 2
export const CALL_LENGTH = 4
/** protection, advice, or flags of mremap */
export const CALL_ARGUMENT = 6
export const CALL_FILE = 7
/** file offset of mmap; new address of mremap; result of brk */
export const CALL_SECOND_ADDRESS = 8
/** new length of mremap */
export const CALL_SECOND_LENGTH = 10

export const STATUS_SHIFT = 8
/** The call's exit is not in the trace. */
export const STATUS_OPEN = 0
export const STATUS_DONE = 1
/** Linux refused it. */
export const STATUS_REFUSED = 2

export const FLAGS_SHIFT = 16
export const MAP_SHARED = 1
/** It replaces what was mapped there. */
export const MAP_REPLACES = 2
export const MAP_GROWS_DOWN = 4
export const MAP_NO_RESERVE = 8
export const MAP_POPULATE = 16
/** No call of the program: established because the trace shows that it was there. */
export const MAP_IMPLIED = 32
/** MAP_STACK of Linux: what is mapped has no huge pages, and so does not merge with what may have. */
export const MAP_STACK = 64

const TWO_32 = 0x1_0000_0000

/** The word that holds the high bits of an address or length. */
export function highWord(value: number): number {
  return Math.floor(value / TWO_32)
}

export function fromWords(low: number, high: number): number {
  return high * TWO_32 + (low >>> 0)
}
