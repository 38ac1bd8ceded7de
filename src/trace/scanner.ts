/**
 * Reads the lines that `perf script` prints:
 *
 *     comm pid/tid [cpu] seconds.fraction: event: fields
 *
 * Principles: works on bytes, and makes no string for a line that needs none; calls one method of its receiver for each
 * event that matters here, counts all others by name; strict about events it knows (a field that cannot be read is an
 * error with its line), lenient about spacing, about columns that perf leaves out or adds, and about versions of perf.
 */
import { scriptCommand, TraceError } from './errors.ts'

/** The system calls whose enter and exit events are followed. */
export const CALL_MMAP = 0
export const CALL_MUNMAP = 1
export const CALL_MPROTECT = 2
export const CALL_BRK = 3
export const CALL_MADVISE = 4
export const CALL_MREMAP = 5
export const CALL_NAMES = ['mmap', 'munmap', 'mprotect', 'brk', 'madvise', 'mremap'] as const
const CALL_ARGUMENTS = [6, 2, 3, 1, 3, 5] as const

/** A PERF_RECORD_MMAP or PERF_RECORD_MMAP2. */
export interface MapRecord {
  readonly pid: number
  readonly tid: number
  readonly start: number
  readonly length: number
  readonly offset: number
  readonly protection: number
  readonly shared: boolean
  readonly name: string
  /** What tells files apart: device, inode and name; empty where the mapping has no file. */
  readonly file: string
}

/** What the scanner tells. The line's `pid`, `tid` and time are fields of the scanner. */
export interface TraceEvents {
  fault(address: number, errorCode: number, kernel: boolean): void
  enterCall(call: number, values: Float64Array): void
  exitCall(call: number, result: number): void
  /** `started`: mmap_lock_start_locking; otherwise mmap_lock_acquire_returned. */
  lock(started: boolean, write: boolean, success: boolean): void
  unlock(): void
  newTask(tid: number, flags: number): void
  exec(name: string): void
  exit(groupDead: boolean): void
  mapRecord(record: MapRecord): void
  lost(count: number): void
}

const EVENT_PAGE_FAULT_USER = 1
const EVENT_PAGE_FAULT_KERNEL = 2
const EVENT_ENTER = 3 // + call
const EVENT_EXIT = 9 // + call
const EVENT_LOCK_START = 15
const EVENT_LOCK_ACQUIRED = 16
const EVENT_LOCK_RELEASED = 17
const EVENT_NEW_TASK = 18
const EVENT_EXEC = 19
const EVENT_PROCESS_EXIT = 20
const EVENT_MMAP2 = 21
const EVENT_MMAP = 22
const EVENT_LOST = 23

const KNOWN_EVENTS: readonly (readonly [string, number])[] = [
  ['exceptions:page_fault_user', EVENT_PAGE_FAULT_USER],
  ['exceptions:page_fault_kernel', EVENT_PAGE_FAULT_KERNEL],
  ...CALL_NAMES.map((name, call) => [`syscalls:sys_enter_${name}`, EVENT_ENTER + call] as const),
  ...CALL_NAMES.map((name, call) => [`syscalls:sys_exit_${name}`, EVENT_EXIT + call] as const),
  ['mmap_lock:mmap_lock_start_locking', EVENT_LOCK_START],
  ['mmap_lock:mmap_lock_acquire_returned', EVENT_LOCK_ACQUIRED],
  ['mmap_lock:mmap_lock_released', EVENT_LOCK_RELEASED],
  ['task:task_newtask', EVENT_NEW_TASK],
  ['sched:sched_process_exec', EVENT_EXEC],
  ['sched:sched_process_exit', EVENT_PROCESS_EXIT],
  ['PERF_RECORD_MMAP2', EVENT_MMAP2],
  ['PERF_RECORD_MMAP', EVENT_MMAP],
  ['PERF_RECORD_LOST', EVENT_LOST],
  ['PERF_RECORD_LOST_SAMPLES', EVENT_LOST],
]

interface EventName {
  readonly bytes: Uint8Array
  readonly code: number
  count: number
  next: EventName | null
}

/** A line longer than this is none that perf script prints (file names have at most 4096 bytes). */
const MAX_LINE_BYTES = 64 * 1024
/** perf pads the command name to 16 bytes. */
const COMM_WIDTH = 16
/** How many lines that cannot be read make the whole no trace, when none that can came before. */
const HOPELESS_LINES = 20

const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const EQUALS = 0x3d
/** Ends the names of records whose fields follow at once, such as PERF_RECORD_FORK(1:1):(2:2). */
const OPEN = 0x28

/** Value of each hexadecimal digit, -1 for other bytes. */
const HEX = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 10; digit++) HEX[0x30 + digit] = digit
for (let digit = 0; digit < 6; digit++) {
  HEX[0x61 + digit] = 10 + digit
  HEX[0x41 + digit] = 10 + digit
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

export class Scanner {
  readonly #file: string
  readonly #events: TraceEvents
  readonly #names: (EventName | null)[] = Array.from({ length: 1024 }, () => null)
  readonly #values = new Float64Array(6)

  /** Lines read, and events among them. */
  line = 0
  eventCount = 0
  /** The present line's process, thread and time. */
  pid = 0
  tid = 0
  seconds = 0
  nanoseconds = 0
  /** Time of the first event that has one. */
  firstSeconds = -1
  firstNanoseconds = 0
  /** Digits behind the point of the times: the resolution of everything said about times. */
  timeDigits = 9

  #unreadable = 0
  #lineStart = 0
  #headerStart = 0
  #buffer: Uint8Array = new Uint8Array(0)
  /** Bytes of an incomplete last line, kept for the next chunk. */
  #carry: Uint8Array = new Uint8Array(0)
  // What the number readers found.
  #value = 0
  #low = 0

  constructor(file: string, events: TraceEvents) {
    this.#file = file
    this.#events = events
    for (const [name, code] of KNOWN_EVENTS) {
      const bytes = Buffer.from(name)
      let hash = 0
      for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0
      this.#addName(bytes, hash, code)
    }
  }

  #addName(bytes: Uint8Array, hash: number, code: number): EventName {
    const slot = (hash ^ (hash >>> 15)) & 1023
    const name: EventName = { bytes, code, count: 0, next: this.#names[slot]! }
    this.#names[slot] = name
    return name
  }

  /** How often each event occurred, by name; with `known` only those that the scanner reads, or only the others. */
  counts(known: boolean): Record<string, number> {
    const all: [string, number][] = []
    for (const slot of this.#names) {
      for (let name = slot; name !== null; name = name.next) {
        if ((name.code !== 0) === known && (known || name.count > 0))
          all.push([Buffer.from(name.bytes).toString(), name.count])
      }
    }
    return Object.fromEntries(all.toSorted((a, b) => (a[0] < b[0] ? -1 : 1)))
  }

  /** Reads the complete lines of a chunk, and keeps the rest for the next. */
  feed(chunk: Uint8Array): void {
    if (this.#carry.length === 0) {
      this.#consume(chunk)
      return
    }
    const newline = chunk.indexOf(10)
    if (newline < 0) {
      this.#keep(Buffer.concat([this.#carry, chunk]))
      return
    }
    // Only the line that the two chunks share is copied.
    const shared = Buffer.concat([this.#carry, chunk.subarray(0, newline + 1)])
    this.#carry = new Uint8Array(0)
    this.#consume(shared)
    this.#consume(chunk.subarray(newline + 1))
  }

  /** Reads what is left when no more chunks come. */
  end(): void {
    if (this.#carry.length > 0) {
      const last = Buffer.concat([this.#carry, Buffer.from('\n')])
      this.#carry = new Uint8Array(0)
      this.#consume(last)
    }
    if (this.eventCount === 0) throw this.#notATrace()
  }

  #keep(rest: Uint8Array): void {
    if (rest.length > MAX_LINE_BYTES) {
      this.line++
      throw this.#error(
        'not-a-trace',
        `a line of more than ${MAX_LINE_BYTES} bytes`,
        `Print a trace with: ${scriptCommand}.`,
      )
    }
    // The chunk is not ours to hold.
    this.#carry = Uint8Array.prototype.slice.call(rest)
  }

  #consume(chunk: Uint8Array): void {
    this.#buffer = chunk
    let start = 0
    while (start < chunk.length) {
      const end = chunk.indexOf(10, start)
      if (end < 0) {
        this.#keep(chunk.subarray(start))
        return
      }
      this.line++
      this.#lineStart = start
      this.#readLine(start, end > start && chunk[end - 1] === 13 ? end - 1 : end)
      start = end + 1
    }
  }

  #readLine(start: number, end: number): void {
    const buffer = this.#buffer
    // The name of the command may hold anything, so that the usual column is tried first.
    let at =
      end - start > COMM_WIDTH && buffer[start + COMM_WIDTH] === SPACE
        ? this.#readHeader(start + COMM_WIDTH, end)
        : -1
    if (at < 0) at = this.#findHeader(start, end)
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
    const name = this.#findName(hash, from, at)
    name.count++
    this.eventCount++
    if (name.code === 0) return
    if (byte === COLON) at++
    while (at < end && buffer[at]! <= SPACE) at++
    this.#readFields(name.code, at, end)
  }

  #findName(hash: number, from: number, to: number): EventName {
    const buffer = this.#buffer
    const length = to - from
    for (let name = this.#names[(hash ^ (hash >>> 15)) & 1023]!; name !== null; name = name.next!) {
      const bytes = name.bytes
      if (bytes.length !== length) continue
      let i = 0
      while (i < length && bytes[i] === buffer[from + i]) i++
      if (i === length) return name
    }
    return this.#addName(Uint8Array.prototype.slice.call(buffer, from, to), hash, 0)
  }

  /** Reads `pid/tid [cpu] seconds.fraction:` at `at`; returns where the rest begins, or -1. */
  #readHeader(at: number, end: number): number {
    const buffer = this.#buffer
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
      while (isDigit(buffer[at]!)) at++
      if (at === digits || buffer[at] !== 0x5d) return -1
      at++
      while (at < end && buffer[at] === SPACE) at++
    }
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
    // What perf makes up for mappings that were there before has time zero.
    if (seconds < this.seconds || (seconds === this.seconds && fraction < this.nanoseconds)) {
      throw this.#error(
        'time',
        `time goes backwards, from ${formatTime(this.seconds, this.nanoseconds)} to ${formatTime(seconds, fraction)}`,
        `Lines must be in the order of time, as ${scriptCommand} prints them from one recording with -k CLOCK_MONOTONIC.`,
      )
    }
    if (this.firstSeconds < 0 && (seconds > 0 || fraction > 0)) {
      this.firstSeconds = seconds
      this.firstNanoseconds = fraction
      this.timeDigits = fractionDigits
    }
    this.seconds = seconds
    this.nanoseconds = fraction
    this.pid = pid
    this.tid = tid
    this.#headerStart = start
    return at + 1
  }

  /** The command name of the present line. */
  comm(): string {
    return Buffer.from(this.#buffer.subarray(this.#lineStart, this.#headerStart)).toString().trim()
  }

  /** As `readHeader`, for lines whose command is not padded to the usual width. */
  #findHeader(start: number, end: number): number {
    const buffer = this.#buffer
    for (let at = start; at < end; at++) {
      const byte = buffer[at]!
      if ((!isDigit(byte) && byte !== 0x2d) || (at > start && buffer[at - 1] !== SPACE)) continue
      const behind = this.#readHeader(at, end)
      if (behind >= 0) return behind
    }
    return -1
  }

  /** A line that is no event: empty, a comment, a line of a call chain; or a reason to stop. */
  #otherLine(start: number, end: number): void {
    const buffer = this.#buffer
    let at = start
    while (at < end && (buffer[at] === SPACE || buffer[at] === TAB)) at++
    if (at === end || buffer[at] === 0x23) return
    if (this.eventCount > 0) {
      if (at > start) {
        // A call chain: indented, `address symbol (file)`.
        const digits = at
        while (at < end && HEX[buffer[at]!]! >= 0) at++
        if (at - digits >= 4 && (at === end || buffer[at] === SPACE)) return
      }
      if (this.#hasThreadOnly(start, end)) throw this.#withoutPid()
      throw this.#error(
        'malformed',
        `this is no line that perf script prints: ${quote(buffer, start, end)}`,
        `Remove it, or print the trace again: ${scriptCommand}.`,
      )
    }
    if (this.#hasThreadOnly(start, end)) throw this.#withoutPid()
    if (++this.#unreadable >= HOPELESS_LINES) throw this.#notATrace()
  }

  #notATrace(): TraceError {
    const lines = this.#unreadable
    return new TraceError(
      'not-a-trace',
      this.#file,
      lines > 0 ? 1 : this.line || undefined,
      lines > 0
        ? `none of the first ${lines === 1 ? 'lines' : `${lines} lines`} is one that perf script prints`
        : 'there is no event in it',
      `Print a trace with: ${scriptCommand}.`,
    )
  }

  /** Whether a line is `comm tid [cpu] time:`, as perf script prints without `-F pid`. */
  #hasThreadOnly(start: number, end: number): boolean {
    const text = Buffer.from(this.#buffer.subarray(start, Math.min(end, start + 200))).toString('latin1')
    return /^ *\S.*? +\d+ +(\[\d+\] +)?\d+\.\d+: +\S/.test(text)
  }

  #withoutPid(): TraceError {
    return this.#error(
      'missing-events',
      'the lines name a thread, but not its process (pid/tid)',
      `Print the trace again: ${scriptCommand}.`,
    )
  }

  #error(
    code: 'malformed' | 'out-of-range' | 'time' | 'not-a-trace' | 'missing-events',
    problem: string,
    remedy: string,
  ): TraceError {
    return new TraceError(code, this.#file, this.line, problem, remedy)
  }

  #malformed(what: string, start: number, end: number): TraceError {
    return this.#error(
      'malformed',
      `${what} cannot be read: ${quote(this.#buffer, start, end)}`,
      `Print the trace again, without editing it: ${scriptCommand}.`,
    )
  }

  /** For the receiver: a value that cannot be, on the present line. */
  outOfRange(problem: string): TraceError {
    return this.#error(
      'out-of-range',
      problem,
      'Record and print the trace again; only 47-bit user addresses of x86-64 can be replayed.',
    )
  }

  /**
   * Reads a hexadecimal number with or without 0x; `#value` and its low 32 bits in `#low`. Returns where it ends,
   * -1 where there is none.
   */
  #hex(at: number, end: number): number {
    const buffer = this.#buffer
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
    this.#value = value
    this.#low = low
    return at
  }

  /** A decimal number; as `#hex`. */
  #decimal(at: number, end: number): number {
    const buffer = this.#buffer
    const start = at
    let value = 0
    while (at < end && isDigit(buffer[at]!)) value = value * 10 + buffer[at++]! - 0x30
    if (at === start) return -1
    if (at - start > 20) throw this.outOfRange(`a number of more than 64 bits: ${quote(buffer, start, at)}`)
    this.#value = value
    this.#low = value | 0
    return at
  }

  /** Whether the bytes at `at` are these characters. */
  #is(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#buffer[at + i] !== text.charCodeAt(i)) return false
    return true
  }

  /** Where `text` last occurs in a line, or -1. */
  #last(start: number, end: number, text: string): number {
    for (let at = end - text.length; at >= start; at--) if (this.#is(at, text)) return at
    return -1
  }

  #readFields(code: number, at: number, end: number): void {
    switch (code) {
      case EVENT_PAGE_FAULT_USER:
      case EVENT_PAGE_FAULT_KERNEL:
        this.#readFault(code === EVENT_PAGE_FAULT_KERNEL, at, end)
        return
      case EVENT_LOCK_START:
      case EVENT_LOCK_ACQUIRED:
        this.#readLock(code === EVENT_LOCK_START, at, end)
        return
      case EVENT_LOCK_RELEASED:
        this.#events.unlock()
        return
      case EVENT_NEW_TASK:
        this.#readNewTask(at, end)
        return
      case EVENT_EXEC: {
        // filename=… pid=… old_pid=…; the name may hold spaces.
        const last = this.#last(at, end, ' pid=')
        if (!this.#is(at, 'filename=') || last < 0) throw this.#malformed('sched_process_exec', at, end)
        this.#events.exec(Buffer.from(this.#buffer.subarray(at + 9, last)).toString())
        return
      }
      case EVENT_PROCESS_EXIT:
        this.#events.exit(
          this.#last(at, end, 'group_dead=true') >= 0 ||
            (this.#last(at, end, 'group_dead=') < 0 && this.pid === this.tid),
        )
        return
      case EVENT_MMAP2:
      case EVENT_MMAP:
        this.#readMapRecord(code === EVENT_MMAP2, at, end)
        return
      case EVENT_LOST: {
        const found = this.#last(at, end, 'lost ')
        if (found < 0 || this.#decimal(found + 5, end) < 0) throw this.#malformed('PERF_RECORD_LOST', at, end)
        this.#events.lost(this.#value)
        return
      }
      default:
        if (code >= EVENT_EXIT) this.#readExit(code - EVENT_EXIT, at, end)
        else this.#readEnter(code - EVENT_ENTER, at, end)
    }
  }

  /** address=0x… ip=… error_code=0x… */
  #readFault(kernel: boolean, at: number, end: number): void {
    const buffer = this.#buffer
    const start = at
    if (!this.#is(at, 'address=')) throw this.#malformed('a page fault', start, end)
    at += 8
    let address = 0
    // An address of the kernel is printed as the symbol there.
    const behind = this.#hex(at, end)
    if (behind >= 0 && (buffer[behind] === SPACE || buffer[behind] === 0x2c)) {
      address = this.#value
      at = behind
    } else if (
      behind === at ||
      (buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78) ||
      buffer[at] === SPACE ||
      at >= end
    ) {
      throw this.#malformed('a page fault', start, end)
    } else {
      address = 0xffffffff80000000
    }
    while (at < end && !(buffer[at] === EQUALS && buffer[at - 1] === 0x65 && this.#is(at - 10, 'error_code')))
      at++
    if (at >= end) throw this.#malformed('a page fault', start, end)
    at = this.#hex(at + 1, end)
    if (at < 0 || (at < end && buffer[at]! > SPACE && buffer[at] !== 0x2c))
      throw this.#malformed('a page fault', start, end)
    const errorCode = this.#value
    if (errorCode > 0xffff) throw this.outOfRange(`page-fault error code 0x${errorCode.toString(16)}`)
    this.#events.fault(address, errorCode, kernel)
  }

  /** mm=0x… memcg_id=… write=true success=true: what matters is at the end. */
  #readLock(started: boolean, start: number, end: number): void {
    const buffer = this.#buffer
    let at = end
    while (at > start && buffer[at - 1] === SPACE) at--
    let success = true
    if (!started) {
      // success=true
      success = buffer[at - 4] === 0x74
      at -= success ? 4 : 5
      if (at - 9 < start || buffer[at] !== (success ? 0x74 : 0x66) || !this.#is(at - 8, 'success='))
        throw this.#malformed('an mmap_lock event', start, end)
      at -= 9
    }
    const write = buffer[at - 4] === 0x74
    at -= write ? 4 : 5
    if (at - 6 < start || buffer[at] !== (write ? 0x74 : 0x66) || !this.#is(at - 6, 'write=')) {
      throw this.#malformed('an mmap_lock event', start, end)
    }
    this.#events.lock(started, write, success)
  }

  /** name: 0x…, name: 0x… */
  #readEnter(call: number, at: number, end: number): void {
    const buffer = this.#buffer
    const start = at
    const count = CALL_ARGUMENTS[call]!
    for (let i = 0; i < count; i++) {
      while (at < end && buffer[at] !== COLON && buffer[at] !== EQUALS) at++
      at++
      while (at < end && buffer[at] === SPACE) at++
      const hexadecimal = buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78
      at = hexadecimal ? this.#hex(at, end) : this.#signedDecimal(at, end)
      if (at < 0 || (at < end && buffer[at] !== 0x2c && buffer[at] !== SPACE)) {
        throw this.#malformed(`sys_enter_${CALL_NAMES[call]}`, start, end)
      }
      this.#values[i] = this.#value
    }
    this.#events.enterCall(call, this.#values)
  }

  #signedDecimal(at: number, end: number): number {
    if (this.#buffer[at] !== 0x2d) return this.#decimal(at, end)
    const behind = this.#decimal(at + 1, end)
    this.#value = -this.#value
    return behind
  }

  /** 0x…, or a negative number for an error. */
  #readExit(call: number, at: number, end: number): void {
    const buffer = this.#buffer
    const start = at
    if (this.#is(at, 'ret=')) at += 4
    const hexadecimal = buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78
    at = hexadecimal ? this.#hex(at, end) : this.#signedDecimal(at, end)
    if (at < 0 || (at < end && buffer[at] !== SPACE))
      throw this.#malformed(`sys_exit_${CALL_NAMES[call]}`, start, end)
    // The top values of 64 bits are errors; a double does not tell them apart, the low word does.
    this.#events.exitCall(call, this.#value >= 0xffffffff00000000 ? this.#low : this.#value)
  }

  /** pid=… comm=… clone_flags=… oom_score_adj=…; the comm may hold spaces, the flags are hexadecimal without 0x. */
  #readNewTask(at: number, end: number): void {
    const start = at
    if (!this.#is(at, 'pid=')) throw this.#malformed('task_newtask', start, end)
    at = this.#decimal(at + 4, end)
    const tid = this.#value
    const flags = this.#last(start, end, ' clone_flags=')
    if (at < 0 || flags < 0) throw this.#malformed('task_newtask', start, end)
    at = this.#hex(flags + 13, end)
    if (at < 0 || (at < end && this.#buffer[at] !== SPACE)) throw this.#malformed('task_newtask', start, end)
    if (tid === 0 || tid > 0x3fffffff) throw this.outOfRange(`thread number ${tid}`)
    this.#events.newTask(tid, this.#low)
  }

  /**
   * MMAP2: pid/tid: [start(length) @ offset maj:min inode generation]: rwxp name — or a build id in angle brackets in
   * the place of device and inode. MMAP: pid/tid: [start(length) @ offset]: x name.
   */
  #readMapRecord(second: boolean, at: number, end: number): void {
    const buffer = this.#buffer
    const start = at
    const what = second ? 'PERF_RECORD_MMAP2' : 'PERF_RECORD_MMAP'
    const need = (next: number): number => {
      if (next < 0) throw this.#malformed(what, start, end)
      return next
    }
    const expect = (text: string): void => {
      if (!this.#is(at, text)) throw this.#malformed(what, start, end)
      at += text.length
    }
    // The kernel's own text, which belongs to no process.
    if (buffer[at] === 0x2d) return
    at = need(this.#decimal(at, end))
    const pid = this.#value
    expect('/')
    at = need(this.#decimal(at, end))
    const tid = this.#value
    expect(': [')
    at = need(this.#hex(at, end))
    const from = this.#value
    expect('(')
    at = need(this.#hex(at, end))
    const length = this.#value
    expect(') @ ')
    at = need(this.#hex(at, end))
    let offset = this.#value
    let inode = 0
    const identity = at
    if (second) {
      expect(' ')
      if (buffer[at] === 0x3c) {
        while (at < end && buffer[at] !== 0x3e) at++
        inode = 1
        expect('>')
      } else {
        at = need(this.#hex(at, end))
        expect(':')
        at = need(this.#hex(at, end))
        expect(' ')
        at = need(this.#decimal(at, end))
        inode = this.#value
        expect(' ')
        at = need(this.#decimal(at, end))
      }
    }
    const identityEnd = at
    expect(']: ')
    let protection = 0
    let shared = false
    if (second) {
      if (buffer[at] === 0x72) protection |= 1
      else if (buffer[at] !== 0x2d) throw this.#malformed(what, start, end)
      if (buffer[at + 1] === 0x77) protection |= 2
      if (buffer[at + 2] === 0x78) protection |= 4
      shared = buffer[at + 3] === 0x73
      at += 4
    } else {
      // x: mapped with execute permission; r: any other.
      protection = buffer[at] === 0x78 ? 5 : 3
      at += 1
    }
    if (at >= end) throw this.#malformed(what, start, end)
    const name = Buffer.from(buffer.subarray(at + 1, end)).toString()
    // Names in brackets are the kernel's own: [vdso], [stack], [heap].
    if (name.startsWith('[') || name.startsWith('//anon')) inode = 0
    else if (!second) inode = 1
    // Without a file, the number behind @ is no offset.
    const file =
      inode === 0
        ? ''
        : `${Buffer.from(buffer.subarray(identity, identityEnd)).toString('latin1').trim()} ${name}`
    if (inode === 0) offset = 0
    this.#events.mapRecord({
      pid,
      tid,
      start: from,
      length,
      offset,
      protection,
      shared,
      name,
      file: second ? file : inode === 0 ? '' : name,
    })
  }
}

function isNumber(buffer: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!isDigit(buffer[i]!)) return false
  return true
}

function formatTime(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

/** A piece of a line for a message: short, and without bytes that would disturb a terminal. */
function quote(buffer: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(buffer.subarray(start, Math.min(end, start + 80))).toString('latin1')
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?')}${end - start > 80 ? '…' : ''}"`
}
