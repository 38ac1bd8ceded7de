/**
 * Reads numbers and words of one line of a trace, and makes errors that name its file and line.
 */
import { latin1 } from './bytes.ts'
import { scriptCommand, TraceError } from './errors.ts'

export const SPACE = 0x20
export const TAB = 0x09
export const COLON = 0x3a
export const EQUALS = 0x3d
/** Ends the names of records whose fields follow at once, such as PERF_RECORD_FORK(1:1):(2:2). */
export const OPEN = 0x28
export const CLOSE = 0x29

/** Value of each hexadecimal digit, -1 for other bytes. */
export const HEX = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 10; digit++) HEX[0x30 + digit] = digit
for (let digit = 0; digit < 6; digit++) {
  HEX[0x61 + digit] = 10 + digit
  HEX[0x41 + digit] = 10 + digit
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** One line at a time. */
export abstract class LineReader {
  protected readonly file: string
  /** Lines read. */
  line = 0
  /** The present line's process, thread and time. */
  pid = 0
  tid = 0
  seconds = 0
  nanoseconds = 0
  /** Processors that events came from: one more than the highest number. */
  cpus = 0
  /** The CPU of the present line; -1 where the trace does not tell. */
  cpu = -1
  protected buffer: Uint8Array = new Uint8Array(0)
  // What the number readers found.
  protected value = 0
  protected low = 0

  protected constructor(file: string) {
    this.file = file
  }

  error(
    code: 'malformed' | 'out-of-range' | 'time' | 'not-a-trace' | 'missing-events',
    problem: string,
    remedy: string,
  ): TraceError {
    return new TraceError(code, this.file, this.line, problem, remedy)
  }

  protected malformed(what: string, start: number, end: number): TraceError {
    return this.error(
      'malformed',
      start >= end ? `${what} has no fields` : `${what} cannot be read: ${quote(this.buffer, start, end)}`,
      `Print the trace again, without editing it: ${scriptCommand}.`,
    )
  }

  /** For the receiver: a value that cannot be, on the present line. */
  outOfRange(problem: string): TraceError {
    return this.error(
      'out-of-range',
      problem,
      'Record and print the trace again; only 48-bit user addresses can be replayed.',
    )
  }

  /**
   * Reads a hexadecimal number with or without 0x; `value` and its low 32 bits in `low`. Returns where it ends,
   * -1 where there is none.
   */
  protected hex(at: number, end: number): number {
    const buffer = this.buffer
    if (buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78) at += 2
    const start = at
    let value = 0
    let low = 0
    while (at < end) {
      const digit = HEX[buffer[at]!]!
      if (digit < 0) break
      value = value * 16 + digit
      low = (low << 4) | digit
      at++
    }
    if (at === start) return -1
    if (at - start > 16) {
      let zero = start
      while (buffer[zero] === 0x30) zero++
      if (at - zero > 16) throw this.outOfRange(`a number of more than 64 bits: ${quote(buffer, start, at)}`)
    }
    this.value = value
    this.low = low
    return at
  }

  /** A decimal number; as `hex`. */
  protected decimal(at: number, end: number): number {
    const buffer = this.buffer
    const start = at
    let value = 0
    while (at < end && isDigit(buffer[at]!)) value = value * 10 + buffer[at++]! - 0x30
    if (at === start) return -1
    if (at - start > 20) throw this.outOfRange(`a number of more than 64 bits: ${quote(buffer, start, at)}`)
    this.value = value
    this.low = value | 0
    return at
  }

  /** Whether the bytes at `at` are these characters. */
  protected is(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.buffer[at + i] !== text.charCodeAt(i)) return false
    return true
  }

  /** Where `text` last occurs in a line, or -1. */
  protected last(start: number, end: number, text: string): number {
    for (let at = end - text.length; at >= start; at--) if (this.is(at, text)) return at
    return -1
  }
}

/** A piece of a line for a message: short, and without bytes that would disturb a terminal. */
export function quote(buffer: Uint8Array, start: number, end: number): string {
  const text = latin1(buffer.subarray(start, Math.min(end, start + 80)))
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?')}${end - start > 80 ? '…' : ''}"`
}
