// What an operation of a scenario gives: a value, or the name of an error or signal.

import {
  type AccessKind,
  BusError,
  errnoName,
  FaultOutOfMemory,
  SegmentationFault,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
} from '../../kernel/index.ts'

export type Outcome = number | string

/** Flags of a VMA for letters of `rwx`. */
export function protectionFlags(protection: string): number {
  let flags = 0
  for (const letter of protection as Iterable<AccessKind>) {
    if (letter === 'r') flags |= VM_READ
    else if (letter === 'w') flags |= VM_WRITE
    else if (letter === 'x') flags |= VM_EXEC
  }
  return flags
}

/** What a call returned, or the name of its error. */
export function outcomeOf(result: number): Outcome {
  return result < 0 ? errnoName(-result) : result
}

/** The name of the signal that an access ended in; throws what is none. */
export function signalOf(error: unknown): string {
  if (error instanceof SegmentationFault || error instanceof BusError) return error.code
  if (error instanceof FaultOutOfMemory) return 'out of memory'
  throw error
}
