/**
 * Reads the fields of the events that matter here, and tells a receiver: strict, so that a field that cannot be read is
 * an error with its line.
 */
import { latin1, utf8 } from './bytes.ts'
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
  /** @param from where the fault was taken: the address in the program, the name of the function of the kernel */
  fault(address: number, errorCode: number, kernel: boolean, from: string | number): void
  enterCall(call: number, values: Float64Array): void
  exitCall(call: number, result: number): void
  /** Enter of any other system call, by name; or its exit, null. */
  otherCall(name: string | null): void
  /**
   * @param mm whose lock: the low 48 bits of its address
   * @param started mmap_lock_start_locking; otherwise mmap_lock_acquire_returned
   */
  lock(mm: number, started: boolean, write: boolean, success: boolean): void
  unlock(mm: number): void
  /** The line's thread was switched out, with a processor taken from it or not, or in. */
  switchedOut(preempted: boolean): void
  switchedIn(tid: number): void
  /** The line's thread wakes another. */
  woke(tid: number): void
  newTask(tid: number, flags: number): void
  exec(name: string): void
  exit(groupDead: boolean): void
  mapRecord(record: MapRecord): void
  lost(count: number): void
  /**
   * The line's thread is seen on a CPU (cpu-clock).
   * @param address of the program; -1 in the kernel, where the call chain follows
   * @param symbol the function of the program; '' if it is not known
   */
  sample(address: number, symbol: string): void
  /** A line that is a comment. */
  comment(line: string): void
  /** A line of the call chain of an event that was to be told with it (`takesStack`). */
  frame(line: string): void
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
/** ftrace's own form of both: `sys_mmap(addr: 0, …)` and `sys_mmap -> 0x…`. */
const EVENT_CALL = 24 // + call
const EVENT_SCHED_SWITCH = 30
const EVENT_SWITCH = 31
const EVENT_WAKING = 32
export const EVENT_SAMPLE = 33
/** Its name has its options behind it: `cpu-clock/period=2000000/u`. */
export const SAMPLE_EVENT = 'cpu-clock'

export const KNOWN_EVENTS: readonly (readonly [string, number])[] = [
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
  ['sched:sched_switch', EVENT_SCHED_SWITCH],
  ['sched:sched_waking', EVENT_WAKING],
  // Of one thread (perf record --switch-events), and of a processor (with -a).
  ['PERF_RECORD_SWITCH', EVENT_SWITCH],
  ['PERF_RECORD_SWITCH_CPU_WIDE', EVENT_SWITCH],
  ['PERF_RECORD_MMAP2', EVENT_MMAP2],
  ['PERF_RECORD_MMAP', EVENT_MMAP],
  ['PERF_RECORD_LOST', EVENT_LOST],
  ['PERF_RECORD_LOST_SAMPLES', EVENT_LOST],
]

/** The same events as ftrace and trace-cmd name them. */
export const FTRACE_EVENTS: readonly (readonly [string, number])[] = [
  ...KNOWN_EVENTS.filter(([name]) => name.includes(':')).map(
    ([name, code]) => [name.slice(name.indexOf(':') + 1), code] as const,
  ),
  ...CALL_NAMES.map((name, call) => [`sys_${name}`, EVENT_CALL + call] as const),
]

export const SPACE = 0x20
export const TAB = 0x09
export const COLON = 0x3a
const EQUALS = 0x3d
/** Ends the names of records whose fields follow at once, such as PERF_RECORD_FORK(1:1):(2:2). */
export const OPEN = 0x28
const CLOSE = 0x29

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

/** Addresses of programs are below, also with 57 bits. */
const USER_END = 2 ** 56
/** Flag of clone: a thread of the same process. */
const CLONE_THREAD = 0x10000
/** Names of kernel functions that are remembered. */
const MAX_WORDS = 4096

/** Reads the fields of one line at a time. */
export abstract class EventReader {
  protected readonly file: string
  protected readonly events: TraceEvents
  protected readonly values = new Float64Array(6)
  readonly #words = new Map<number, string>()
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
  /** Process of each thread that was seen to be created, for records that have no processes. */
  protected readonly processOf = new Map<number, number>()
  protected buffer: Uint8Array = new Uint8Array(0)
  // What the number readers found.
  protected value = 0
  protected low = 0

  protected constructor(file: string, events: TraceEvents) {
    this.file = file
    this.events = events
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
      `${what} cannot be read: ${quote(this.buffer, start, end)}`,
      `Print the trace again, without editing it: ${scriptCommand}.`,
    )
  }

  /** For the receiver: a value that cannot be, on the present line. */
  outOfRange(problem: string): TraceError {
    return this.error(
      'out-of-range',
      problem,
      'Record and print the trace again; only 47-bit user addresses of x86-64 can be replayed.',
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

  protected readFields(code: number, at: number, end: number): void {
    switch (code) {
      case EVENT_PAGE_FAULT_USER:
      case EVENT_PAGE_FAULT_KERNEL:
        this.#readFault(code === EVENT_PAGE_FAULT_KERNEL, at, end)
        return
      case EVENT_LOCK_START:
      case EVENT_LOCK_ACQUIRED:
      case EVENT_LOCK_RELEASED:
        this.#readLock(code, at, end)
        return
      case EVENT_NEW_TASK:
        this.#readNewTask(at, end)
        return
      case EVENT_EXEC: {
        // filename=… pid=… old_pid=…; the name may hold spaces.
        const last = this.last(at, end, ' pid=')
        if (!this.is(at, 'filename=') || last < 0) throw this.malformed('sched_process_exec', at, end)
        this.events.exec(utf8(this.buffer.subarray(at + 9, last)))
        return
      }
      case EVENT_PROCESS_EXIT:
        this.events.exit(
          this.last(at, end, 'group_dead=true') >= 0 ||
            (this.last(at, end, 'group_dead=') < 0 && this.pid === this.tid),
        )
        return
      case EVENT_SCHED_SWITCH:
        this.#readSchedSwitch(at, end)
        return
      case EVENT_WAKING: {
        // comm=… pid=… prio=… target_cpu=…
        const pid = this.last(at, end, ' pid=')
        if (pid < 0 || this.decimal(pid + 5, end) < 0) throw this.malformed('sched_waking', at, end)
        this.events.woke(this.value)
        return
      }
      case EVENT_SWITCH:
        if (this.is(at, 'IN')) this.events.switchedIn(this.tid)
        else if (this.is(at, 'OUT')) this.events.switchedOut(this.is(at + 3, ' preempt'))
        else throw this.malformed('PERF_RECORD_SWITCH', at, end)
        return
      case EVENT_SAMPLE: {
        const behind = this.hex(at, end)
        const isProgram = behind >= 0 && this.value < USER_END
        this.events.sample(isProgram ? this.value : -1, isProgram ? this.#function(behind, end) : '')
        return
      }
      case EVENT_MMAP2:
      case EVENT_MMAP:
        this.#readMapRecord(code === EVENT_MMAP2, at, end)
        return
      case EVENT_LOST: {
        const found = this.last(at, end, 'lost ')
        if (found < 0 || this.decimal(found + 5, end) < 0) throw this.malformed('PERF_RECORD_LOST', at, end)
        this.events.lost(this.value)
        return
      }
      default:
        if (code >= EVENT_CALL) this.#readCall(code - EVENT_CALL, at, end)
        else if (code >= EVENT_EXIT) this.#readExit(code - EVENT_EXIT, at, end)
        else this.#readEnter(code - EVENT_ENTER, at, end, false)
    }
  }

  /** address=0x… ip=… error_code=0x… */
  #readFault(kernel: boolean, at: number, end: number): void {
    const buffer = this.buffer
    const start = at
    if (!this.is(at, 'address=')) throw this.malformed('a page fault', start, end)
    at += 8
    let address = 0
    // An address of the kernel is printed as the symbol there.
    const behind = this.hex(at, end)
    if (behind >= 0 && (buffer[behind] === SPACE || buffer[behind] === 0x2c)) {
      address = this.value
      at = behind
    } else if (
      behind === at ||
      (buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78) ||
      buffer[at] === SPACE ||
      at >= end
    ) {
      throw this.malformed('a page fault', start, end)
    } else {
      address = 0xffffffff80000000
    }
    while (at < end && !(buffer[at] === EQUALS && buffer[at - 1] === 0x65 && this.is(at - 10, 'error_code')))
      at++
    if (at >= end) throw this.malformed('a page fault', start, end)
    at = this.hex(at + 1, end)
    if (at < 0 || (at < end && buffer[at]! > SPACE && buffer[at] !== 0x2c))
      throw this.malformed('a page fault', start, end)
    const errorCode = this.value
    if (errorCode > 0xffff) throw this.outOfRange(`page-fault error code 0x${errorCode.toString(16)}`)
    this.events.fault(
      address,
      errorCode,
      kernel,
      kernel ? this.#word(start, end, ' ip=') : this.#instruction(start, end),
    )
  }

  /** The name of a function, without what stands behind it. */
  #function(at: number, end: number): string {
    return latin1(this.buffer.subarray(at, end)).trim().split(/[ +]/, 1)[0]!
  }

  /** Address of the instruction that faulted; 0 where that is not told. */
  #instruction(start: number, end: number): number {
    let from = start
    while (from < end && !(this.buffer[from] === SPACE && this.is(from, ' ip='))) from++
    return this.hex(from + 4, end) < 0 ? 0 : this.value
  }

  /** What stands behind a label. Few different words are expected. */
  #word(start: number, end: number, label: string): string {
    const { buffer } = this
    let from = start
    while (from < end && !(buffer[from] === SPACE && this.is(from, label))) from++
    from += label.length
    let hash = 0
    let to = from
    for (; to < end && buffer[to]! > SPACE; to++) hash = (Math.imul(hash, 31) + buffer[to]!) | 0
    if (to <= from) return ''
    let word = this.#words.get(hash)
    if (word === undefined) {
      word = latin1(buffer.subarray(from, to))
      if (this.#words.size < MAX_WORDS) this.#words.set(hash, word)
    }
    return word
  }

  /** mm=0x… memcg_id=… write=true success=true; a path of the memory cgroup may stand in the middle. */
  #readLock(code: number, start: number, end: number): void {
    const { buffer } = this
    let write = -1
    let success = code === EVENT_LOCK_ACQUIRED ? -1 : 1
    for (let at = end - 1; at > start; at--) {
      if (buffer[at] !== EQUALS) continue
      if (this.is(at - 5, 'write')) write = this.#truth(at + 1, end)
      else if (this.is(at - 7, 'success')) success = this.#truth(at + 1, end)
      if (write >= 0) break
    }
    if (write < 0 || success < 0 || !this.is(start, 'mm=') || !this.#readPointer(start + 3, end))
      throw this.malformed('an mmap_lock event', start, end)
    const mm = this.value
    if (code === EVENT_LOCK_RELEASED) this.events.unlock(mm)
    else this.events.lock(mm, code === EVENT_LOCK_START, write === 1, success === 1)
  }

  /**
   * Reads the low 48 bits of a hexadecimal number into `value`. A double cannot tell all kernel addresses apart: there
   * its steps of 2 KiB are larger than some of what Linux allocates. What is left out is the same for all.
   */
  #readPointer(at: number, end: number): boolean {
    const behind = this.hex(at, end)
    if (behind < 0) return false
    if (behind - at > 12 && this.value > Number.MAX_SAFE_INTEGER) this.hex(behind - 12, behind)
    return true
  }

  /** 1 for true, 0 for false, -1 for anything else. */
  #truth(at: number, end: number): number {
    const truth = this.is(at, 'true') ? 1 : this.is(at, 'false') ? 0 : -1
    const behind = at + (truth === 1 ? 4 : 5)
    return truth < 0 || (behind < end && this.buffer[behind] !== SPACE) ? -1 : truth
  }

  /** name: 0x…, name: 0x… */
  #readEnter(call: number, at: number, end: number, isHex: boolean): void {
    const buffer = this.buffer
    const start = at
    const count = CALL_ARGUMENTS[call]!
    for (let i = 0; i < count; i++) {
      while (at < end && buffer[at] !== COLON && buffer[at] !== EQUALS) at++
      at++
      while (at < end && buffer[at] === SPACE) at++
      const hexadecimal = isHex || (buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78)
      at = hexadecimal ? this.hex(at, end) : this.signedDecimal(at, end)
      if (at < 0 || (at < end && buffer[at] !== 0x2c && buffer[at] !== SPACE && buffer[at] !== CLOSE)) {
        throw this.malformed(`sys_enter_${CALL_NAMES[call]}`, start, end)
      }
      this.values[i] = this.value
    }
    this.events.enterCall(call, this.values)
  }

  /** `(name: value, …)` or `-> result`, values hexadecimal without 0x. */
  #readCall(call: number, at: number, end: number): void {
    if (this.buffer[at] === OPEN) this.#readEnter(call, at, end, true)
    else if (this.is(at, '-> ')) this.#readExit(call, at + 3, end)
    else throw this.malformed(`sys_${CALL_NAMES[call]}`, at, end)
  }

  protected signedDecimal(at: number, end: number): number {
    if (this.buffer[at] !== 0x2d) return this.decimal(at, end)
    const behind = this.decimal(at + 1, end)
    this.value = -this.value
    return behind
  }

  /** 0x…, or a negative number for an error. */
  #readExit(call: number, at: number, end: number): void {
    const buffer = this.buffer
    const start = at
    if (this.is(at, 'ret=')) at += 4
    const hexadecimal = buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78
    at = hexadecimal ? this.hex(at, end) : this.signedDecimal(at, end)
    if (at < 0 || (at < end && buffer[at] !== SPACE))
      throw this.malformed(`sys_exit_${CALL_NAMES[call]}`, start, end)
    // The top values of 64 bits are errors; a double does not tell them apart, the low word does.
    this.events.exitCall(call, this.value >= 0xffffffff00000000 ? this.low : this.value)
  }

  /** pid=… comm=… clone_flags=… oom_score_adj=…; the comm may hold spaces, the flags are hexadecimal without 0x. */
  #readNewTask(at: number, end: number): void {
    const start = at
    if (!this.is(at, 'pid=')) throw this.malformed('task_newtask', start, end)
    at = this.decimal(at + 4, end)
    const tid = this.value
    const flags = this.last(start, end, ' clone_flags=')
    if (at < 0 || flags < 0) throw this.malformed('task_newtask', start, end)
    at = this.hex(flags + 13, end)
    if (at < 0 || (at < end && this.buffer[at] !== SPACE)) throw this.malformed('task_newtask', start, end)
    if (tid === 0 || tid > 0x3fffffff) throw this.outOfRange(`thread number ${tid}`)
    if ((this.low & CLONE_THREAD) !== 0) this.processOf.set(tid, this.pid)
    else this.processOf.delete(tid)
    this.events.newTask(tid, this.low)
  }

  /** The line's thread makes way for another: prev_comm=… prev_state=S ==> next_comm=… next_pid=…. */
  #readSchedSwitch(at: number, end: number): void {
    const state = this.last(at, end, ' prev_state=')
    const next = this.last(at, end, ' next_pid=')
    if (state < 0 || next < 0 || this.decimal(next + 10, end) < 0)
      throw this.malformed('sched_switch', at, end)
    const tid = this.value
    this.events.switchedOut(this.is(state + 12, 'R'))
    this.events.switchedIn(tid)
  }

  /**
   * MMAP2: pid/tid: [start(length) @ offset maj:min inode generation]: rwxp name — or a build id in angle brackets in
   * the place of device and inode. MMAP: pid/tid: [start(length) @ offset]: x name.
   */
  #readMapRecord(second: boolean, at: number, end: number): void {
    const buffer = this.buffer
    const start = at
    const what = second ? 'PERF_RECORD_MMAP2' : 'PERF_RECORD_MMAP'
    const need = (next: number): number => {
      if (next < 0) throw this.malformed(what, start, end)
      return next
    }
    const expect = (text: string): void => {
      if (!this.is(at, text)) throw this.malformed(what, start, end)
      at += text.length
    }
    // The kernel's own text, which belongs to no process.
    if (buffer[at] === 0x2d) return
    at = need(this.decimal(at, end))
    const pid = this.value
    expect('/')
    at = need(this.decimal(at, end))
    const tid = this.value
    expect(': [')
    at = need(this.hex(at, end))
    const from = this.value
    expect('(')
    at = need(this.hex(at, end))
    const length = this.value
    expect(') @ ')
    at = need(this.hex(at, end))
    let offset = this.value
    let inode = 0
    const identity = at
    if (second) {
      expect(' ')
      if (buffer[at] === 0x3c) {
        while (at < end && buffer[at] !== 0x3e) at++
        inode = 1
        expect('>')
      } else {
        at = need(this.hex(at, end))
        expect(':')
        at = need(this.hex(at, end))
        expect(' ')
        at = need(this.decimal(at, end))
        inode = this.value
        expect(' ')
        at = need(this.decimal(at, end))
      }
    }
    const identityEnd = at
    expect(']: ')
    let protection = 0
    let shared = false
    if (second) {
      if (buffer[at] === 0x72) protection |= 1
      else if (buffer[at] !== 0x2d) throw this.malformed(what, start, end)
      if (buffer[at + 1] === 0x77) protection |= 2
      if (buffer[at + 2] === 0x78) protection |= 4
      shared = buffer[at + 3] === 0x73
      at += 4
    } else {
      // x: mapped with execute permission; r: any other.
      protection = buffer[at] === 0x78 ? 5 : 3
      at += 1
    }
    if (at >= end) throw this.malformed(what, start, end)
    const name = utf8(buffer.subarray(at + 1, end))
    // Names in brackets are the kernel's own. Pages of its code and data for programs are like those of a file.
    if (KERNEL_PAGES.test(name)) inode = 1
    else if (name.startsWith('[') || name.startsWith('//anon')) inode = 0
    else if (!second) inode = 1
    // Without a file, the number behind @ is no offset.
    const file = inode === 0 ? '' : `${latin1(buffer.subarray(identity, identityEnd)).trim()} ${name}`
    if (inode === 0) offset = 0
    this.events.mapRecord({
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

/** The name of a mapping of `install_special_mapping`, alone or behind what tells files apart. */
export const KERNEL_PAGES = /(?:^| )\[(?:vdso|vvar|vvar_vclock|sigpage|uprobes)\]$/

/** A piece of a line for a message: short, and without bytes that would disturb a terminal. */
export function quote(buffer: Uint8Array, start: number, end: number): string {
  const text = latin1(buffer.subarray(start, Math.min(end, start + 80)))
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?')}${end - start > 80 ? '…' : ''}"`
}
