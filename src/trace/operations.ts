// How a worker reads what it has to do: operations of a replay as 32-bit words.

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

export const PAYLOAD_WORDS: readonly number[] = [0, 4, 6, 3, 4, 4, 6, 5, 2, 1, 1, 1]

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
