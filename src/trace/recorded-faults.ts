/**
 * Looks recorded faults up again, to say which of them were not reproduced.
 */
import type { RecordedSeat } from './imported-trace.ts'
import { readChunks, type WordStreamHandle } from './op-store.ts'
import {
  FAULT_LINE,
  FAULT_OUTSIDE,
  FAULT_REFUSED,
  FAULT_UNHANDLED,
  fromWords,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_STACK_FAULT,
  RECORD_WORDS,
} from './records.ts'
import type { UnmatchedFault } from './replay-protocol.ts'

/** Calls `visit` for each fault until it returns true. */
function findFault(records: WordStreamHandle, visit: (words: Int32Array, at: number) => boolean): void {
  for (const { words, length } of readChunks(records)) {
    for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) {
      const kind = words[at]! & 0xff
      if (kind !== RECORD_FAULT && kind !== RECORD_FILE_FAULT && kind !== RECORD_STACK_FAULT) continue
      if (visit(words, at)) return
    }
  }
}

/** The address of the fault on each of these lines of the trace. */
export function addressesOf(records: WordStreamHandle, lines: ReadonlySet<number>): Map<number, number> {
  const found = new Map<number, number>()
  if (lines.size === 0) return found
  findFault(records, (words, at) => {
    const line = words[at + FAULT_LINE]!
    if (lines.has(line)) found.set(line, fromWords(words[at + 2]!, words[at + 3]!))
    return found.size === lines.size
  })
  return found
}

/** The first replayed faults that cannot be performed, as no recorded mapping is there: at most `limit`. */
export function faultsOutside(
  records: WordStreamHandle,
  seats: readonly RecordedSeat[],
  limit: number,
): UnmatchedFault[] {
  const found: UnmatchedFault[] = []
  findFault(records, (words, at) => {
    const flags = words[at]! & (FAULT_OUTSIDE | FAULT_REFUSED | FAULT_UNHANDLED)
    const seat = seats[words[at + 1]!]!
    if (flags === FAULT_OUTSIDE && seat.image >= 0 && !seat.guest)
      found.push({ line: words[at + FAULT_LINE]!, tid: seat.tid, kind: 'outsideAnyMapping' })
    return found.length === limit
  })
  return found
}
