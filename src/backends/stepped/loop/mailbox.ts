// What arrives for a thread, in the order in which it was sent. A cell for each message says that it is there: so who
// looks for the next one depends on nobody who sends a later one, and orders that differ only in that are one.

import { host } from './host.ts'
import type { Place } from '../thread.ts'

/** Cells that are made at a time. */
const CELLS = 8

export class Mailbox<Message> {
  readonly cells: Int32Array[] = []
  /** Those that are there, by number. */
  readonly messages: (Message | undefined)[] = []
  sent = 0
  taken = 0

  /**
   * Sends, where all who do so are known to each other: one comes after the other. A thread that is ended before it has
   * sent leaves its place to the next.
   */
  put(message: Message, told: string, mark = 1): void {
    this.putAt(this.sent, message, told, mark)
    this.sent++
  }

  /** Sends what has its place. */
  putAt(index: number, message: Message, told: string, mark = 1): void {
    const cells = this.cellsOf(index)
    host.tell(told)
    Atomics.store(cells, index % CELLS, mark)
    this.messages[index] = message
  }

  /** Where it is told that the next is there. */
  place(): Place {
    return { array: this.cellsOf(this.taken), index: this.taken % CELLS }
  }

  /** Whether the next is there, or the one so many after it. */
  looks(told: string, after = 0): boolean {
    const index = this.taken + after
    const cells = this.cellsOf(index)
    host.tell(told)
    Atomics.load(cells, index % CELLS)
    return this.messages[index] !== undefined
  }

  /** The next, if it is there. */
  next(): Message | undefined {
    return this.messages[this.taken]
  }

  take(): Message {
    const message = this.next()!
    this.messages[this.taken++] = undefined
    return message
  }

  cellsOf(index: number): Int32Array {
    const at = Math.floor(index / CELLS)
    return (this.cells[at] ??= new Int32Array(new SharedArrayBuffer(4 * CELLS)))
  }
}
