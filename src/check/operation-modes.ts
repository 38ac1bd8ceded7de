// What operations do to their cells: whether two of them depend on each other follows from that.

import {
  ADD,
  AND,
  COMPARE_EXCHANGE,
  LEAVE,
  LOAD,
  NOTIFY,
  OR,
  PAUSE,
  SHARED,
  STOP,
  STORE,
  SUB,
  WAIT,
  WAITING,
  WAIT_ASYNC,
  WOKEN,
  XOR,
  type Thread,
} from '../backends/stepped/index.ts'

// What an operation does to its cell.
export const READS = 1
export const WRITES = 2
/** Looks at or changes the queue of those who wait on the cell. */
export const QUEUES = 4
/** Reads and writes, and is an update of one of these kinds. */
const ADDS = 8
const ANDS = 16
const ORS = 32
const XORS = 64
export const UPDATES = ADDS | ANDS | ORS | XORS

function updateOf(kind: number): number {
  switch (kind) {
    case ADD:
    case SUB:
      return ADDS
    case AND:
      return ANDS
    case OR:
      return ORS
    case XOR:
      return XORS
    default:
      return 0
  }
}

/** Ending a thread that waits takes it out of the queue of a cell. */
export function aimStop(thread: Thread): void {
  const victim = thread.victim!
  const isAsleep = victim.state === WAITING
  thread.cell = isAsleep ? victim.waitCell : thread.array[SHARED]!.firstCell
  thread.cells = isAsleep ? victim.cells : 1
}

/** What the next operation of a thread does to its cell, as memory is now. */
export function modeOf(thread: Thread): number {
  switch (thread.kind) {
    case LOAD:
    case PAUSE:
      return READS
    case COMPARE_EXCHANGE:
      return seesExpected(thread) ? READS | WRITES : READS
    case WAIT:
    case WAIT_ASYNC:
      // Whether it will be asleep or not: what makes the difference is a write, which does not depend on notify.
      return READS | QUEUES
    case NOTIFY:
    case LEAVE:
      return QUEUES
    case STOP:
      return thread.victim!.state === WAITING ? QUEUES : READS | WRITES
    case WOKEN:
      // Whether its time is over or not: see WAIT.
      return thread.timeout !== Infinity ? QUEUES : 0
    case STORE:
      return WRITES
    default:
      return READS | WRITES | (thread.unread ? updateOf(thread.kind) : 0)
  }
}

/** What an operation does that stands in the program, to be told: 0 for one that only the checker has. */
export function modeToCover({ kind }: Thread, mode: number): number {
  return kind <= NOTIFY || kind === WAIT_ASYNC ? mode : 0
}

function seesExpected(thread: Thread): boolean {
  const value = thread.array[thread.index]
  // Elements that are no 32-bit integers: it might.
  return thread.native || value === thread.expected || value === (thread.expected | 0)
}
