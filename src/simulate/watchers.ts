// Threads that spin: which lines each waits for a change of, and who waits for a line.

import type { Thread } from '../backends/stepped/index.ts'
import { LINE_SHIFT } from './lines.ts'

const NOBODY_WATCHES: readonly number[] = []

export class Watchers {
  /** By line: 1 where somebody watches it. Another array after {@link grow}. */
  watched: Uint8Array
  readonly #byLine = new Map<number, number[]>()
  /** Of each thread. */
  readonly #lines: number[][]

  constructor(threads: number, lines: number) {
    this.watched = new Uint8Array(lines)
    this.#lines = Array.from({ length: threads }, () => [])
  }

  /** The thread watches the lines of all that it has read in its turn. */
  watch({ id, watchFrom, watchTo, readCells }: Thread): void {
    const lines = this.#lines[id]!
    for (let at = watchFrom; at < watchTo; at++) {
      const line = readCells[at]! >> LINE_SHIFT
      if (lines.includes(line)) continue
      lines.push(line)
      const watchers = this.#byLine.get(line)
      if (watchers === undefined) this.#byLine.set(line, [id])
      else watchers.push(id)
      this.watched[line] = 1
    }
  }

  /** The thread watches nothing any more. */
  leave(id: number): void {
    const lines = this.#lines[id]!
    for (const line of lines) {
      const watchers = this.#byLine.get(line)!
      watchers.splice(watchers.indexOf(id), 1)
      if (watchers.length > 0) continue
      this.#byLine.delete(line)
      this.watched[line] = 0
    }
    lines.length = 0
  }

  /** Threads that watch the line; who is woken leaves the list. */
  of(line: number): readonly number[] {
    return this.#byLine.get(line) ?? NOBODY_WATCHES
  }

  grow(lines: number): void {
    const watched = new Uint8Array(lines)
    watched.set(this.watched)
    this.watched = watched
  }
}
