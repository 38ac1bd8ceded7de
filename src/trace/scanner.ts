/**
 * Reads the lines that `perf script` prints:
 *
 *     comm pid/tid [cpu] seconds.fraction: event: fields
 *
 * Principles: works on bytes, and makes no string for a line that needs none; calls one method of its receiver for each
 * event that matters here, counts all others by name; strict about events it knows (a field that cannot be read is an
 * error with its line), lenient about spacing, about columns that perf leaves out or adds, and about versions of perf.
 */
import { bytesOf, joined, latin1, utf8 } from './bytes.ts'
import { howToMake, scriptCommand, TraceError } from './errors.ts'
import { EventReader } from './event-reader.ts'
import {
  EVENT_BEHIND,
  ftraceHeader,
  HEADER_WITH_DATE,
  HEADER_WITHOUT_TIME,
  SOURCE_LINE,
  threadHeader,
  timeOf,
} from './line-forms.ts'
import { COLON, HEX, isDigit, OPEN, quote, SPACE, TAB } from './line-reader.ts'
import {
  EVENT_SAMPLE,
  FAULT_NAMES,
  FTRACE_EVENTS,
  KNOWN_EVENTS,
  SAMPLE_EVENT,
  type TraceEvents,
} from './trace-events.ts'

interface EventName {
  readonly bytes: Uint8Array
  readonly code: number
  /** The system call that it is the enter of; null for an exit; undefined for all that is no call. */
  readonly call: string | null | undefined
  count: number
  next: EventName | null
}

/** A line longer than this is none that perf script prints (file names have at most 4096 bytes). */
const MAX_LINE_BYTES = 64 * 1024
/** What is behind a line break in the name of a thread that ends (sched_process_exit). */
const REST_OF_EXIT = /^.{0,15} pid=\d+ prio=\d+(?: group_dead=\w+)?$/
/** Nothing that is read of a comment is longer. */
const LONGEST_COMMENT = 512
/** Linux has no more (NR_CPUS). */
const MAX_CPUS = 8192
/** perf pads the command name to 16 bytes. */
const COMM_WIDTH = 16
/** How many lines that cannot be read make the whole no trace, when none that can came before. */
const HOPELESS_LINES = 20

export class Scanner extends EventReader {
  readonly #names: (EventName | null)[] = Array.from({ length: 1024 }, () => null)

  /** Events among the lines. */
  eventCount = 0
  /** Time of the first event that has one. */
  firstSeconds = -1
  firstNanoseconds = 0
  /** The longest time without an event, in nanoseconds, and the line that ends it. */
  longestGapNs = 0
  longestGapLine = 0
  /** Digits behind the point of the times: the resolution of everything said about times. */
  timeDigits = 9

  /** Set by the receiver of an event: it wants the lines of its call chain. */
  takesStack = false

  /** The text ends within a line, which cannot be read. */
  isCut = false

  #unreadable = 0
  /** What lines are called, where they stand elsewhere in the text: perf trace tells the end of a call. */
  #lineNames: number[] | null = null
  #lineCount = 0
  /** A short line that cannot be read: the beginning of a name with a line break, if an event follows. */
  #fragment: TraceError | null = null
  /** The lines are those of ftrace or trace-cmd: `comm-tid [cpu] time: event: fields`. */
  #isFtrace = false
  #lineStart = 0
  #headerStart = 0
  /** Bytes of an incomplete last line, kept for the next chunk. */
  #carry: Uint8Array = new Uint8Array(0)

  /** The time of the present event in nanoseconds, exact to a few hundred of them. */
  get nowNs(): number {
    return this.seconds * 1e9 + this.nanoseconds
  }

  /** What the times can resolve, in nanoseconds. */
  get timeResolutionNs(): number {
    return 10 ** (9 - this.timeDigits)
  }

  constructor(file: string, events: TraceEvents) {
    super(file, events)
    this.#addNames(KNOWN_EVENTS)
  }

  #addNames(events: readonly (readonly [string, number])[]): void {
    for (const [name, code] of events) {
      const bytes = bytesOf(name)
      let hash = 0
      for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0
      this.#addName(bytes, hash, code)
    }
  }

  #addName(bytes: Uint8Array, hash: number, code: number): EventName {
    const slot = (hash ^ (hash >>> 15)) & 1023
    const call = code === 0 ? callOf(latin1(bytes)) : undefined
    const name: EventName = { bytes, code, call, count: 0, next: this.#names[slot]! }
    this.#names[slot] = name
    return name
  }

  /** How often each event occurred, by name; with `known` only those that the scanner reads, or only the others. */
  counts(known: boolean): Record<string, number> {
    const all: [string, number][] = []
    for (const slot of this.#names) {
      for (let name = slot; name !== null; name = name.next) {
        if ((name.code !== 0) === known && (known || name.count > 0)) all.push([utf8(name.bytes), name.count])
      }
    }
    return Object.fromEntries(all.toSorted((a, b) => (a[0] < b[0] ? -1 : 1)))
  }

  /** The next line of which nothing is told yet is called so. */
  namesLine(line: number): void {
    this.#lineNames ??= []
    this.#lineNames.push(line)
  }

  #countLine(): void {
    this.line = this.#lineNames?.[this.#lineCount] ?? this.#lineCount + 1
    this.#lineCount++
  }

  /** Reads the complete lines of a chunk, and keeps the rest for the next. */
  feed(chunk: Uint8Array): void {
    if (this.#carry.length === 0) {
      this.#consume(chunk)
      return
    }
    const newline = chunk.indexOf(10)
    if (newline < 0) {
      this.#keep(joined(this.#carry, chunk))
      return
    }
    // Only the line that the two chunks share is copied.
    const shared = joined(this.#carry, chunk.subarray(0, newline + 1))
    this.#carry = new Uint8Array(0)
    this.#consume(shared)
    this.#consume(chunk.subarray(newline + 1))
  }

  /** Reads what is left when no more chunks come. */
  end(): void {
    if (this.#carry.length > 0) {
      const last = joined(this.#carry, bytesOf('\n'))
      const before = this.eventCount
      this.#carry = new Uint8Array(0)
      try {
        this.#consume(last)
        if (this.#fragment !== null) throw this.#fragment
      } catch (error) {
        this.isCut = before > 0 && error instanceof TraceError && error.code === 'malformed'
        if (!this.isCut) throw error
      }
    }
    if (this.#fragment !== null && !this.isCut) throw this.#fragment
    if (this.eventCount === 0) throw this.#notATrace()
  }

  #keep(rest: Uint8Array): void {
    if (rest.length > MAX_LINE_BYTES) {
      this.#countLine()
      throw this.error('not-a-trace', `a line of more than ${MAX_LINE_BYTES} bytes`, howToMake)
    }
    // The chunk is not ours to hold.
    this.#carry = Uint8Array.prototype.slice.call(rest)
  }

  #consume(chunk: Uint8Array): void {
    this.buffer = chunk
    let start = 0
    while (start < chunk.length) {
      const end = chunk.indexOf(10, start)
      if (end < 0) {
        this.#keep(chunk.subarray(start))
        return
      }
      this.#countLine()
      this.#lineStart = start
      this.#readLine(start, end > start && chunk[end - 1] === 13 ? end - 1 : end)
      start = end + 1
    }
  }

  #readLine(start: number, end: number): void {
    const buffer = this.buffer
    // The name of the command may hold anything, so that the usual column is tried first.
    let at =
      end - start > COMM_WIDTH && buffer[start + COMM_WIDTH] === SPACE
        ? this.#readHeader(start + COMM_WIDTH, end)
        : -1
    if (at < 0 && this.lacksProcesses) at = this.#readThreadHeader(start, end)
    if (at < 0) at = this.#findHeader(start, end)
    if (at < 0 && this.eventCount === 0) at = this.#readThreadHeader(start, end)
    if (at < 0) {
      this.#otherLine(start, end)
      return
    }
    while (at < end && buffer[at]! <= SPACE) at++
    let from = at
    let hash = 0
    let byte = 0
    for (; at < end; at++) {
      byte = buffer[at]!
      if (byte === SPACE || byte === OPEN || (byte === COLON && (at + 1 >= end || buffer[at + 1] === SPACE)))
        break
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    // `-F period` puts a number before the name.
    if (byte === SPACE && isDigit(buffer[from]!) && isNumber(buffer, from, at)) {
      while (at < end && buffer[at] === SPACE) at++
      from = at
      hash = 0
      for (; at < end; at++) {
        byte = buffer[at]!
        if (
          byte === SPACE ||
          byte === OPEN ||
          (byte === COLON && (at + 1 >= end || buffer[at + 1] === SPACE))
        )
          break
        hash = (Math.imul(hash, 31) + byte) | 0
      }
    }
    if (at === from) {
      this.#otherLine(start, end)
      return
    }
    this.#fragment = null
    const name = this.#findName(hash, from, at)
    name.count++
    this.eventCount++
    this.takesStack = false
    if (name.code === 0) {
      if (name.call !== undefined) this.events.otherCall(byte === SPACE ? null : name.call)
      return
    }
    if (byte === COLON) at++
    while (at < end && buffer[at]! <= SPACE) at++
    this.readFields(name.code, at, end)
  }

  #findName(hash: number, from: number, to: number): EventName {
    const buffer = this.buffer
    const length = to - from
    for (let name = this.#names[(hash ^ (hash >>> 15)) & 1023]!; name !== null; name = name.next!) {
      const bytes = name.bytes
      if (bytes.length !== length) continue
      let i = 0
      while (i < length && bytes[i] === buffer[from + i]) i++
      if (i === length) return name
    }
    return this.#addName(
      Uint8Array.prototype.slice.call(buffer, from, to),
      hash,
      this.is(from, SAMPLE_EVENT)
        ? EVENT_SAMPLE
        : (FAULT_NAMES.find(([name]) => name.test(this.#text(from, to)))?.[1] ?? 0),
    )
  }

  /** Reads `pid/tid [cpu] seconds.fraction:` at `at`; returns where the rest begins, or -1. */
  #readHeader(at: number, end: number): number {
    const buffer = this.buffer
    while (at < end && buffer[at] === SPACE) at++
    const start = at
    let sign = 1
    if (buffer[at] === 0x2d) {
      sign = -1
      at++
    }
    let digits = at
    let pid = 0
    let byte = buffer[at]!
    while (byte >= 0x30 && byte <= 0x39) {
      pid = pid * 10 + byte - 0x30
      byte = buffer[++at]!
    }
    if (at === digits || at - digits > 10 || byte !== 0x2f) return -1
    pid *= sign
    sign = 1
    byte = buffer[++at]!
    if (byte === 0x2d) {
      sign = -1
      byte = buffer[++at]!
    }
    digits = at
    let tid = 0
    while (byte >= 0x30 && byte <= 0x39) {
      tid = tid * 10 + byte - 0x30
      byte = buffer[++at]!
    }
    if (at === digits || at - digits > 10 || byte !== SPACE) return -1
    tid *= sign
    while (at < end && buffer[at] === SPACE) at++
    if (buffer[at] === 0x5b) {
      digits = ++at
      let cpu = 0
      while (isDigit(buffer[at]!)) cpu = cpu * 10 + buffer[at++]! - 0x30
      this.#countCpu(cpu)
      if (at === digits || buffer[at] !== 0x5d) return -1
      at++
      while (at < end && buffer[at] === SPACE) at++
    } else at = this.#skipBareCpu(at, end)
    // `-F misc`: letters for where it was, such as K.
    while (at < end && buffer[at]! >= 0x41 && buffer[at]! <= 0x7a) at++
    while (at < end && buffer[at] === SPACE) at++
    digits = at
    let seconds = 0
    byte = buffer[at]!
    while (byte >= 0x30 && byte <= 0x39) {
      seconds = seconds * 10 + byte - 0x30
      byte = buffer[++at]!
    }
    if (at === digits || at - digits > 15 || byte !== 0x2e) return -1
    byte = buffer[++at]!
    digits = at
    let fraction = 0
    while (byte >= 0x30 && byte <= 0x39) {
      fraction = fraction * 10 + byte - 0x30
      byte = buffer[++at]!
    }
    const fractionDigits = at - digits
    if (fractionDigits === 0 || fractionDigits > 9 || byte !== COLON) return -1
    if (fractionDigits === 6) fraction *= 1000
    else for (let i = fractionDigits; i < 9; i++) fraction *= 10
    if (at >= end) return -1
    this.#setHeader(pid, tid, seconds, fraction, fractionDigits, start)
    return at + 1
  }

  /** `perf script -L` has the CPU without brackets: another number follows it. */
  #skipBareCpu(at: number, end: number): number {
    let behind = at
    while (behind < end && isDigit(this.buffer[behind]!)) behind++
    if (behind === at || this.buffer[behind] !== SPACE) return at
    this.#countCpu(Number(latin1(this.buffer.subarray(at, behind))))
    while (behind < end && this.buffer[behind] === SPACE) behind++
    return behind
  }

  #countCpu(cpu: number): void {
    this.cpu = cpu
    if (cpu >= this.cpus && cpu < MAX_CPUS) this.cpus = cpu + 1
  }

  #setHeader(
    pid: number,
    tid: number,
    seconds: number,
    fraction: number,
    digits: number,
    start: number,
  ): void {
    // What perf makes up for mappings that were there before has time zero.
    if (seconds < this.seconds || (seconds === this.seconds && fraction < this.nanoseconds)) {
      throw this.error(
        'time',
        `time goes backwards, from ${formatTime(this.seconds, this.nanoseconds)} to ${formatTime(seconds, fraction)}`,
        `Lines must be in the order of time, as ${scriptCommand} prints them from one recording with -k CLOCK_MONOTONIC, and without --deltatime.`,
      )
    }
    if (this.firstSeconds < 0) {
      if (seconds > 0 || fraction > 0) {
        this.firstSeconds = seconds
        this.firstNanoseconds = fraction
        this.timeDigits = digits
      }
    } else {
      const gapNs = (seconds - this.seconds) * 1e9 + fraction - this.nanoseconds
      if (gapNs > this.longestGapNs) {
        this.longestGapNs = gapNs
        this.longestGapLine = this.line
      }
    }
    this.seconds = seconds
    this.nanoseconds = fraction
    this.pid = pid
    this.tid = tid
    this.#headerStart = start
  }

  /**
   * As `readHeader`, for what ftrace and trace-cmd print, `comm-tid (process) [cpu] flags seconds.fraction:`, and for
   * `comm tid [cpu] seconds.fraction:`. Without the process, a thread is of the process that created it, as far as that
   * was seen.
   */
  #readThreadHeader(start: number, end: number): number {
    const text = this.#text(start, end)
    const header = (this.#isFtrace ? null : threadHeader(text)) ?? ftraceHeader(text)
    if (header === null) return -1
    const { length, commLength, tid, process, cpu, isFtrace } = header
    const time = timeOf(header)
    const isSure = this.eventCount > 0 || (isFtrace && time !== null)
    if (!isSure && !EVENT_BEHIND.test(this.#text(start + length, end))) return -1
    if (time === null)
      throw this.error(
        'missing-events',
        'the times are counts of a clock, not seconds',
        'Record with another clock: trace-cmd record -C mono, or echo mono > trace_clock in tracefs.',
      )
    if (isFtrace && !this.#isFtrace) this.#addNames(FTRACE_EVENTS)
    this.#isFtrace ||= isFtrace
    this.lacksProcesses = true
    if (cpu >= 0) this.#countCpu(cpu)
    const pid = process ?? this.guessProcess(tid)
    this.#setHeader(pid, tid, time.seconds, time.nanoseconds, time.digits, start + commLength)
    return start + length
  }

  /** The command name of the present line. */
  comm(): string {
    return utf8(this.buffer.subarray(this.#lineStart, this.#headerStart)).trim()
  }

  /** As `readHeader`, for lines whose command is not padded to the usual width. */
  #findHeader(start: number, end: number): number {
    // A name is no longer than its column, and may look like a header itself: of those that begin within it, the last.
    const column = Math.min(end - 1, start + COMM_WIDTH)
    for (let at = column; at >= start; at--) {
      const behind = this.#headerAt(start, at, end)
      if (behind >= 0) return behind
    }
    // perf has longer names of kernel threads.
    for (let at = column + 1; at < end; at++) {
      const behind = this.#headerAt(start, at, end)
      if (behind >= 0) return behind
    }
    return -1
  }

  /** As {@link #readHeader}, where a number begins. */
  #headerAt(start: number, at: number, end: number): number {
    const byte = this.buffer[at]!
    if ((!isDigit(byte) && byte !== 0x2d) || (at > start && this.buffer[at - 1] !== SPACE)) return -1
    return this.#readHeader(at, end)
  }

  /** A line that is no event: empty, a comment, a line of a call chain; or a reason to stop. */
  #otherLine(start: number, end: number): void {
    const buffer = this.buffer
    let at = start
    while (at < end && (buffer[at] === SPACE || buffer[at] === TAB)) at++
    if (at === end) return
    if (buffer[at] === 0x23)
      return this.events.comment(latin1(buffer.subarray(at, Math.min(end, at + LONGEST_COMMENT))))
    if (this.#isFtraceNote(start, end)) return
    if (this.eventCount > 0) {
      // A call chain: perf prints a tab, then `address symbol (file)`, where an address that is not known is 0.
      if (buffer[start] === TAB) return this.#chainLine(start, end)
      if (at > start) {
        while (at < end && HEX[buffer[at]!]! >= 0) at++
        if (at === end || buffer[at] === SPACE) return this.#chainLine(start, end)
      }
      this.#requireTime(start, end)
      if (REST_OF_EXIT.test(this.#text(start, end))) return
      // perf script -F srcline, and records that have no time of their own.
      if (SOURCE_LINE.test(this.#text(start, end)) || this.is(start, 'PERF_RECORD_')) return
      const error = this.error(
        'malformed',
        `this is not a line of perf script: ${quote(buffer, start, end)}`,
        `Remove it, or print the trace again: ${scriptCommand}.`,
      )
      if (this.#fragment !== null || end - at >= COMM_WIDTH) throw this.#fragment ?? error
      this.#fragment = error
      return
    }
    this.#requireTime(start, end)
    if (++this.#unreadable >= HOPELESS_LINES) throw this.#notATrace()
  }

  #chainLine(start: number, end: number): void {
    if (this.takesStack) this.events.frame(utf8(this.buffer.subarray(start, end)))
  }

  /** What ftrace and trace-cmd print between events: how many processors, and how many events were lost. */
  #isFtraceNote(start: number, end: number): boolean {
    if (!this.#isFtrace && this.eventCount > 0) return false
    const text = this.#text(start, end)
    const lost = /^CPU:?\s*\d+:? \[?(?:LOST )?(\d+) EVENTS/.exec(text)
    if (lost !== null) this.events.lost(Number(lost[1]))
    // Behind the arrows are the functions of a stack (options/stacktrace, options/userstacktrace).
    return lost !== null || /^(?:cpus=\d+|version = \d+| ?=> .*)$/.test(text.trimEnd())
  }

  #notATrace(): TraceError {
    const lines = this.#unreadable
    return new TraceError(
      'not-a-trace',
      this.file,
      lines > 0 ? 1 : this.line || undefined,
      lines > 0
        ? `none of the first ${lines === 1 ? 'lines' : `${lines} lines`} is one of a recording`
        : 'there is no event in it',
      howToMake,
    )
  }

  /** The beginning of a line. */
  #text(start: number, end: number): string {
    return latin1(this.buffer.subarray(start, Math.min(end, start + 200)))
  }

  #requireTime(start: number, end: number): void {
    const text = this.#text(start, end)
    const problem = HEADER_WITH_DATE.test(text)
      ? 'the lines have the time of day (perf script -F tod)'
      : HEADER_WITHOUT_TIME.test(text)
        ? 'the lines have no time'
        : null
    if (problem !== null)
      throw this.error('missing-events', problem, `Print the trace again: ${scriptCommand}.`)
  }
}

/** The call that an event is the enter of, null for an exit. */
function callOf(event: string): string | null | undefined {
  const match = /^(?:syscalls:)?sys_(enter_|exit_)?(\w+)$/.exec(event)
  return match === null ? undefined : match[1] === 'exit_' ? null : match[2]!
}

function isNumber(buffer: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!isDigit(buffer[i]!)) return false
  return true
}

function formatTime(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}
