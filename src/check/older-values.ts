// Which older values a read in racy() may return: ECMAScript orders it with nothing that a chain of "reads what the
// other wrote" does not order it with, so that it need not return the last value that was written.
//
// A read may return what any write has left that does not come after it in the execution, unless another write comes
// between the two by happens-before (ECMAScript, Memory Model, Coherent Reads). Left out of what the standard
// allows: writes that come later in the execution, that is, a read that is put off behind later operations of its
// thread; what operations of `Atomics` read beside racy writes, which is the last value here; halves of an element, and
// older values of elements of more than 32 bits, or of memory that is used as elements of several types.

import { COMPARE_EXCHANGE, type Thread } from '../backends/stepped/index.ts'
import { HappensBefore, changes } from './happens-before.ts'

/** How often a thread reads an older value in an execution at most: in a loop, it may do so in each turn. */
const OLDER_READS_MAX = 4

interface Write {
  readonly thread: number
  readonly step: number
  /** The clock of its thread with it. */
  readonly known: Int32Array
  /** What was there before. */
  readonly before: number
  /** Which element: its type, and where it is. */
  readonly type: unknown
  readonly place: number
}

export class OlderValues extends HappensBefore {
  /** Writes of each cell by operations and racy accesses, since the last plain one, which is ordered with all. */
  readonly #writes = new Map<number, Write[]>()

  override step(thread: Thread, step: number): void {
    super.step(thread, step)
    const { id, kind, cell, cells } = thread
    if (kind > COMPARE_EXCHANGE || cells !== 1 || !changes(thread)) return
    const writes = this.#writes.get(cell)
    const write = { thread: id, step, known: this.clocks[id]!.slice(), ...elementOf(thread) }
    if (writes === undefined) this.#writes.set(cell, [write])
    else writes.push(write)
  }

  override plain(id: number, firstCell: number, cells: number, site: number, write: boolean): void {
    super.plain(id, firstCell, cells, site, write)
    if (!write) return
    for (let cell = firstCell; cell < firstCell + cells; cell++) this.#writes.delete(cell)
  }

  /** What the racy read that the thread has come to may return besides `last`, the latest first. */
  of(thread: Thread, last: number): number[] {
    const writes = this.#writes.get(thread.cell) ?? []
    const { type, place } = elementOf(thread)
    if (writes.some((write) => write.type !== type || write.place !== place)) return []
    const known = this.clocks[thread.id]!
    const values = [last]
    for (let at = writes.length - 1; at >= 0; at--) {
      const left = writes[at - 1]
      const isHidden = writes
        .slice(at)
        .some((write) => isIn(write, known) && (left === undefined || isIn(left, write.known)))
      const { before } = writes[at]!
      if (!isHidden && !values.some((value) => Object.is(value, before))) values.push(before)
    }
    return values.slice(1)
  }
}

/** What a racy read returns, `last` or one of `values`: the first that `isOlder` does not go on from. */
export function olderValue(
  thread: Thread,
  last: number,
  values: readonly number[],
  isOlder: () => boolean,
): number {
  let read = last
  if (thread.olderReads < OLDER_READS_MAX) {
    for (const value of values) {
      if (!isOlder()) break
      read = value
    }
  }
  thread.isOlder = read !== last
  if (thread.isOlder) thread.olderReads++
  return read
}

function isIn({ thread, step }: Write, known: Int32Array): boolean {
  return known[thread]! >= step
}

function elementOf({ array, index }: Thread): Pick<Write, 'before' | 'type' | 'place'> {
  return {
    before: array[index]!,
    type: array.constructor,
    place: array.byteOffset + index * array.BYTES_PER_ELEMENT,
  }
}
