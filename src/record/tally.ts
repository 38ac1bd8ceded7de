// Counts the events in the text of perf script as it goes by, those that perf says it lost, and the threads that had
// not ended when the recording did.
//
// Principle: what a program calls itself and its files is in the text too, so only the place where perf writes the name
// of an event counts.
import { Transform, type TransformCallback } from 'node:stream'

const NEWLINE = 0x0a
const TAB = 0x09
const LOST = Buffer.from('PERF_RECORD_LOST')
const CREATED = Buffer.from(' task:task_newtask: pid=')
const ENDED = Buffer.from(' sched:sched_process_exit: comm=')
const PID_OF_ENDED = /^.* pid=(\d+) prio=/
const LOST_LINE = /^.{0,17}\s\d+\/\d+ +(?:\[\d+\] +)?\d+\.\d+: +PERF_RECORD_LOST(?:_SAMPLES)? lost (\d+)/
/** A longer line is none of those that matter. */
const LONGEST = 64 * 1024

export class Tally extends Transform {
  /** Lines of events and records; the lines of stacks are none. */
  events = 0
  lost = 0
  /** Threads and processes that were created. */
  tasks = 0
  /** Created while it was recorded, and not ended. */
  readonly #alive = new Set<number>()
  #rest: Buffer = Buffer.alloc(0)

  /** How many threads were created and had not ended. */
  get alive(): number {
    return this.#alive.size
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const text = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const end = text.lastIndexOf(NEWLINE) + 1
    this.#count(text.subarray(0, end))
    this.#rest = text.length - end > LONGEST ? Buffer.alloc(0) : Buffer.from(text.subarray(end))
    done(null, chunk)
  }

  #count(lines: Buffer): void {
    for (let at = 0; at < lines.length; at = lines.indexOf(NEWLINE, at) + 1)
      if (lines[at] !== TAB && lines[at] !== NEWLINE) this.events++
    this.#each(lines, CREATED, (fields) => {
      this.tasks++
      this.#alive.add(Number.parseInt(fields, 10))
    })
    this.#each(lines, ENDED, (fields) => this.#alive.delete(Number(PID_OF_ENDED.exec(fields)?.[1])))
    for (let at = lines.indexOf(LOST); at >= 0; at = lines.indexOf(LOST, at + 1)) {
      const start = lines.lastIndexOf(NEWLINE, at) + 1
      const line = lines.toString('latin1', start, lines.indexOf(NEWLINE, at))
      const lost = LOST_LINE.exec(line)
      // A name in the same line could have the word again.
      if (lost !== null && start + line.indexOf('PERF_RECORD_LOST') === at) {
        this.lost += Number(lost[1])
        this.events--
      }
    }
  }

  /** Calls `visit` with what is behind a name in each line that has it. */
  #each(lines: Buffer, name: Buffer, visit: (fields: string) => void): void {
    for (let at = lines.indexOf(name); at >= 0; at = lines.indexOf(name, at + 1))
      visit(lines.toString('latin1', at + name.length, lines.indexOf(NEWLINE, at)))
  }
}
