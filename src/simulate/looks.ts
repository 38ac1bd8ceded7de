// Whether a thread that pauses in a loop goes round for nothing: it has read the same as before, and changed nothing.

import type { Thread } from '../backends/stepped/index.ts'

export class Looks {
  /** Of each thread, cells and values that it had read when it paused last. */
  readonly #read: number[][]
  /** Of each thread, the epoch of its reads that it has at its next pause if it changes nothing until then. */
  readonly #unchanged: Int32Array

  constructor(threads: number) {
    this.#read = Array.from({ length: threads }, () => [])
    this.#unchanged = new Int32Array(threads).fill(-1)
  }

  /**
   * Whether the thread has read the same, and found the same, as when it paused last, and changed nothing in between:
   * two turns in which it answered interrupts may look alike, and neither has read again what it waits for since.
   */
  again(thread: Thread): boolean {
    const { id, epoch, watchFrom, watchTo, betweenTurns, readCells, readValues } = thread
    const before = this.#read[id]!
    let isSame = epoch === this.#unchanged[id] && before.length === 2 * (watchTo - watchFrom)
    // A pause of its own makes it forget what it has read.
    this.#unchanged[id] = epoch + (betweenTurns ? 0 : 1)
    let place = 0
    for (let at = watchFrom; at < watchTo; at++) {
      const cell = readCells[at]!
      const value = readValues[at]!
      isSame &&= before[place] === cell && before[place + 1] === value
      before[place++] = cell
      before[place++] = value
    }
    before.length = place
    return isSame
  }
}
