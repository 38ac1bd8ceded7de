/**
 * Reads the fields of the events that matter here, and tells a receiver: strict, so that a field that cannot be read is
 * an error with its line.
 */
import { latin1, utf8 } from './bytes.ts'
import { scriptCommand } from './errors.ts'
import { CLOSE, COLON, EQUALS, OPEN, SPACE, LineReader } from './line-reader.ts'
import {
  CALL_ARGUMENTS,
  CALL_NAMES,
  EVENT_HANDLED_FAULT,
  EVENT_PAGE_FAULT,
  EVENT_PAGE_FAULT_USER,
  EVENT_PAGE_FAULT_KERNEL,
  EVENT_ENTER,
  EVENT_EXIT,
  EVENT_LOCK_START,
  EVENT_LOCK_ACQUIRED,
  EVENT_LOCK_RELEASED,
  EVENT_NEW_TASK,
  EVENT_EXEC,
  EVENT_PROCESS_EXIT,
  EVENT_MMAP2,
  EVENT_MMAP,
  EVENT_LOST,
  EVENT_CALL,
  EVENT_SCHED_SWITCH,
  EVENT_SWITCH,
  EVENT_WAKING,
  EVENT_SAMPLE,
  EVENT_FORK,
  EVENT_UNUSED,
  FAULT_UNKNOWN,
  type TraceEvents,
} from './trace-events.ts'

/** Addresses of programs are below, also with 57 bits. */
const USER_END = 2 ** 56
const CALL_NUMBER = '__syscall_nr='
/** How the address of an instruction of the kernel begins, with 12 digits to follow. */
const KERNEL_INSTRUCTION = ' ffff'
/** Flag of clone: a thread of the same process. */
const CLONE_THREAD = 0x10000
/** Names of kernel functions that are remembered. */
const MAX_WORDS = 4096

/** Reads the fields of one event at a time. */
export abstract class EventReader extends LineReader {
  protected readonly events: TraceEvents
  readonly #values = new Float64Array(6)
  readonly #words = new Map<number, string>()
  /** Process of each thread that was seen to be created, for records that have no processes. */
  protected readonly processOf = new Map<number, number>()
  /** Lines name no processes: threads of which nothing told the process are taken for processes of their own. */
  protected lacksProcesses = false
  readonly #alone = new Set<number>()
  /**
   * In a PID namespace, as of a container, perf has the numbers of that, fields of tracepoints those of the machine:
   * by the latter, the former.
   */
  readonly #numbers = new Map<number, number>()
  /** Threads were created whose numbers in perf's namespace are not told. */
  hasForeignNumbers = false
  /** There are `page-faults`, which `minor-faults` and `major-faults` repeat. */
  #countsAll = false
  /** PERF_RECORD_FORK: the thread that task_newtask tells of next, and who creates it. */
  #forked = { tid: 0, parent: 0 }

  protected constructor(file: string, events: TraceEvents) {
    super(file)
    this.events = events
  }

  /** How many threads are taken for processes of their own, though nothing tells that they are. */
  get threadsAlone(): number {
    return this.#alone.size
  }

  /** The process of a thread, as far as that was seen. */
  protected guessProcess(tid: number): number {
    this.lacksProcesses = true
    const pid = this.processOf.get(tid)
    if (pid === undefined && tid > 0) this.#alone.add(tid)
    return pid ?? tid
  }

  #tellProcess(tid: number, pid: number): void {
    if (!this.lacksProcesses) return
    this.processOf.set(tid, pid)
    this.#alone.delete(tid)
    if (tid === this.tid) this.pid = pid
  }

  protected readFields(code: number, at: number, end: number): void {
    switch (code) {
      case EVENT_PAGE_FAULT_USER:
      case EVENT_PAGE_FAULT_KERNEL:
        this.#readFault(code === EVENT_PAGE_FAULT_KERNEL, at, end)
        return
      case EVENT_PAGE_FAULT:
      case EVENT_HANDLED_FAULT:
        this.#countsAll ||= code === EVENT_PAGE_FAULT
        if (this.#countsAll !== (code === EVENT_PAGE_FAULT)) return
        this.#readBareFault(at, end)
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
        if (this.number(last + 5, end) >= 0) this.#isNumbered(this.value, this.tid)
        this.events.exec(utf8(this.buffer.subarray(at + 9, last)))
        return
      }
      case EVENT_PROCESS_EXIT: {
        this.#requireThread(at, end)
        const told = this.last(at, end, 'group_dead=')
        const isTold = told >= 0
        const isLast = isTold ? this.#truth(told + 'group_dead='.length, end) === 1 : this.pid === this.tid
        this.events.exit(isLast, (isLast ? 1 : 0) + (isTold ? 0 : 1))
        return
      }
      case EVENT_SCHED_SWITCH:
        this.#readSchedSwitch(at, end)
        return
      case EVENT_WAKING: {
        // comm=… pid=… prio=… target_cpu=…
        const pid = this.last(at, end, ' pid=')
        if (pid < 0 || this.decimal(pid + 5, end) < 0) throw this.malformed('sched_waking', at, end)
        this.events.woke(this.#numberOf(this.value))
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
      case EVENT_FORK:
        this.#readFork(at, end)
        return
      case EVENT_UNUSED:
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

  /** comm=… pid=…: of a thread that this line's created, if lines without threads have numbers of processes instead. */
  #requireThread(at: number, end: number): void {
    const pid = this.last(at, end, ' pid=')
    if (!this.lacksProcesses || pid < 0 || this.number(pid + 5, end) < 0) return
    if (this.value !== this.tid && this.processOf.get(this.value) === this.tid)
      throw this.error(
        'missing-events',
        'the lines name processes, not threads',
        `Print the trace again: ${scriptCommand}.`,
      )
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

  /** The software event: the address, and what else perf script was asked for, such as the instruction. */
  #readBareFault(at: number, end: number): void {
    if (this.hex(at, end) < 0)
      throw this.malformed('page-faults (perf record -d, perf script -F addr)', at, end)
    const address = this.value
    const ip = this.last(at, end, KERNEL_INSTRUCTION)
    const from = ip < 0 ? 0 : this.#function(ip + KERNEL_INSTRUCTION.length + 12, end)
    this.events.fault(address, FAULT_UNKNOWN, ip >= 0, from)
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

  /** 1 for true, 0 for false, -1 for anything else; raw values are numbers, in parentheses with options/fields. */
  #truth(at: number, end: number): number {
    if (this.buffer[at] === OPEN) at++
    const byte = this.buffer[at]!
    const truth = byte === 0x31 || this.is(at, 'true') ? 1 : byte === 0x30 || this.is(at, 'false') ? 0 : -1
    const behind = at + (byte <= 0x31 ? 1 : truth === 1 ? 4 : 5)
    const isWhole = behind >= end || this.buffer[behind] === SPACE || this.buffer[behind] === CLOSE
    return isWhole ? truth : -1
  }

  /** name: 0x…, name: 0x… */
  #readEnter(call: number, at: number, end: number, isHex: boolean): void {
    const buffer = this.buffer
    const start = at
    const count = CALL_ARGUMENTS[call]!
    // Raw values begin with the number of the call.
    if (this.is(at, CALL_NUMBER)) at += CALL_NUMBER.length
    for (let i = 0; i < count; i++) {
      while (at < end && buffer[at] !== COLON && buffer[at] !== EQUALS) at++
      at++
      while (at < end && buffer[at] === SPACE) at++
      const hexadecimal = isHex || (buffer[at] === 0x30 && (buffer[at + 1]! | 0x20) === 0x78)
      at = hexadecimal ? this.hex(at, end) : this.signedDecimal(at, end)
      if (at < 0 || (at < end && buffer[at] !== 0x2c && buffer[at] !== SPACE && buffer[at] !== CLOSE)) {
        throw this.malformed(`sys_enter_${CALL_NAMES[call]}`, start, end)
      }
      this.#values[i] = this.value
    }
    this.events.enterCall(call, this.#values)
  }

  /** `(name: value, …)` or `-> result`, values hexadecimal without 0x. */
  #readCall(call: number, at: number, end: number): void {
    if (this.buffer[at] === OPEN) this.#readEnter(call, at, end, true)
    else if (this.is(at, '-> ')) this.#readExit(call, at + 3, end)
    else throw this.malformed(`sys_${CALL_NAMES[call]}`, at, end)
  }

  /** Hexadecimal with 0x, else decimal. */
  protected number(at: number, end: number): number {
    const isHex = this.buffer[at] === 0x30 && (this.buffer[at + 1]! | 0x20) === 0x78
    return isHex ? this.hex(at, end) : this.decimal(at, end)
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
    const raw = this.is(at, CALL_NUMBER) ? this.last(at, end, ' ret=') + 1 : at
    at = this.is(raw, 'ret=') ? raw + 4 : at
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
    at = this.number(at + 4, end)
    const number = this.value
    const flags = this.last(start, end, ' clone_flags=')
    if (at < 0 || flags < 0) throw this.malformed('task_newtask', start, end)
    at = this.hex(flags + 13, end)
    if (at < 0 || (at < end && this.buffer[at] !== SPACE)) throw this.malformed('task_newtask', start, end)
    if (number === 0 || number > 0x3fffffff) throw this.outOfRange(`thread number ${number}`)
    const isTold = this.#forked.parent === this.tid && this.#forked.tid > 0
    const tid = isTold ? this.#forked.tid : number
    this.#forked = { tid: 0, parent: 0 }
    this.#isNumbered(number, tid)
    if (!isTold && this.#numbers.size > 0) this.hasForeignNumbers = true
    if ((this.low & CLONE_THREAD) !== 0) this.processOf.set(tid, this.pid)
    else this.processOf.set(tid, tid)
    this.events.newTask(tid, this.low)
  }

  /** (pid:tid):(pid:tid), of the new thread and of who creates it. */
  #readFork(at: number, end: number): void {
    const [, pid, tid, parent] =
      /^\((-?\d{1,10}):(-?\d{1,10})\):\(-?\d{1,10}:(-?\d{1,10})\)/.exec(
        latin1(this.buffer.subarray(at, Math.min(end, at + 64))),
      ) ?? []
    if (tid === undefined) throw this.malformed('PERF_RECORD_FORK', at, end)
    // perf has -1 where it does not know the thread.
    if (Number(tid) <= 0) return
    if (Number(tid) > 0x3fffffff) throw this.outOfRange(`thread number ${tid}`)
    this.#forked = { tid: Number(tid), parent: Number(parent) }
    this.#tellProcess(Number(tid), Number(pid))
  }

  #isNumbered(number: number, tid: number): void {
    if (number !== tid) this.#numbers.set(number, tid)
    else if (this.#numbers.size > 0) this.#numbers.delete(number)
  }

  #numberOf(number: number): number {
    return this.#numbers.size === 0 ? number : (this.#numbers.get(number) ?? number)
  }

  /** The line's thread makes way for another: prev_comm=… prev_state=S ==> next_comm=… next_pid=…. */
  #readSchedSwitch(at: number, end: number): void {
    const state = this.last(at, end, ' prev_state=')
    const next = this.last(at, end, ' next_pid=')
    if (state < 0 || next < 0 || this.decimal(next + 10, end) < 0)
      throw this.malformed('sched_switch', at, end)
    const tid = this.#numberOf(this.value)
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
    this.#tellProcess(tid, pid)
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
    // perf 3.13 to 3.15 told no more of a mapping in the second form than in the first.
    if (second && buffer[at + 1] !== SPACE) {
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
