/**
 * What `perf trace` prints, as lines of `perf script`: memory calls with their arguments and times, the creation of
 * threads and processes, page faults (`perf trace -F all`), and tracepoints (`-e 'mmap_lock:*,exceptions:*'`).
 *
 * Principles: only what is told is handed on. Faults of `-F` have no error codes, and of a page of a file its place in
 * that instead of an address: each file gets a range of its own, where nothing else is. A line that stands for what
 * began before is told of when it ended, so that all are put in the order of time first.
 */
import { bytesOf, joined } from './bytes.ts'
import { TraceError } from './errors.ts'
import { CALL_NAMES } from './trace-events.ts'

/**
 * Milliseconds since the beginning, the call's own in parentheses (unless only tracepoints were asked for), thread.
 * Bounds keep what is no such line cheap.
 */
const LINE = new RegExp(
  String.raw`^ {0,16}(\?|\d{1,12}\.\d{3}) (?:\( {0,16}(?:(\d{1,12}\.\d{3}) ms)? {0,16}\): )?` +
    String.raw`(?:(.{0,64}?)\/)?(\d{1,10}) {1,64}((?:m(?:in|aj)fault \[|\.\.\. \[|[\w:]{1,64}\().*)$`,
)
/** The same with trace.show_timestamp=no in ~/.perfconfig. */
const UNTIMED = /^\( {0,16}(?:\d{1,12}\.\d{3} ms)? {0,16}\): (?:.{0,64}?\/)?\d{1,10} {1,64}[\w.]/
const FAULT = /^(.*?)@?0x([0-9a-f]{1,16}) \(..\)$/
const CALL =
  /^(?:\.\.\. \[continued\]: )?(\w{1,64})\((.*?)\){1,3} {1,256}(?:\.\.\.|= (-?\d{1,15}|0x[0-9a-f]{1,16})\b.*)$/
const TRACEPOINT = /^((?:mmap_lock|exceptions|task|sched):\w+)\((.*)\)$/
// Names of programs and files may hold anything.
const NEW_TASK = /^pid: (\d{1,10})\b.*, clone_flags: (\d{1,12})\b/
const EXECUTED = /^filename: (.*), pid: (\d{1,10})(?: \(.{0,64}\))?, old_pid: (\d{1,10})\b/
/** The same as the kernel has it (perf trace --libtraceevent_print). */
const NEW_TASK_RAW = /^pid=(\d{1,10}) comm=.* clone_flags=([\da-f]{1,12})\b/
const EXECUTED_RAW = /^filename=(.*) pid=(\d{1,10}) old_pid=(\d{1,10})$/
const HEX = /^(?:0x)?[0-9a-f]{1,16}$/i
const LOST = /^(?:\S{1,8}m)?LOST (\d{1,15}) events!/
/** Longer lines are none of these. */
const LONGEST = 4096
/** A text is one of `perf trace` where one of so many lines, or bytes, is. */
const FIRST_LINES = 20
const FIRST_BYTES = 65_536
/** Linux has no larger number of a thread. */
const MAX_THREAD = 0x3fffffff
/** What is told is kept until it is in the order of time: at most so much, some 400 bytes each. */
const MOST_ITEMS = 3_000_000
const CHUNK_CHARACTERS = 65_536

const PROTECTIONS = { READ: 1, WRITE: 2, EXEC: 4 }
const MAP_TYPES = {
  SHARED: 1,
  PRIVATE: 2,
  SHARED_VALIDATE: 3,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
}
const MAP_OPTIONS = { NORESERVE: 0x4000, POPULATE: 0x8000, HUGETLB: 0x40000, FIXED_NOREPLACE: 0x100000 }
const REMAPS = { MAYMOVE: 1, DONTUNMAP: 4 }
const ADVICE = { DONTNEED: 4, FREE: 8, DONTFORK: 10, HUGEPAGE: 14, POPULATE_READ: 22, POPULATE_WRITE: 23 }
/** Of the names of flags, with trace.show_prefix=yes; of advice always. */
const PREFIX = /^(?:MADV|PROT|MAP|MREMAP|CLONE)_/
/** By what perf calls them, without these. */
const FLAGS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...PROTECTIONS,
    ...MAP_TYPES,
    ...MAP_OPTIONS,
    ...REMAPS,
    ...ADVICE,
  }),
)
const CLONE_FLAGS = { VM: 0x100, VFORK: 0x4000, THREAD: 0x10000 }
/** Of flags that are not told: clone3 makes threads, and what calls execve afterwards. */
const THREAD_FLAGS = 0x10100
const SPAWN_FLAGS = 0x4100

const EXEC = 'sched:sched_process_exec'

/** In the order in which the kernel has them. */
const ARGUMENTS: Readonly<Record<(typeof CALL_NAMES)[number], readonly string[]>> = {
  mmap: ['addr', 'len', 'prot', 'flags', 'fd', 'off'],
  munmap: ['addr', 'len'],
  mprotect: ['start', 'len', 'prot'],
  brk: ['brk'],
  madvise: ['start', 'len_in', 'behavior'],
  mremap: ['addr', 'old_len', 'new_len', 'flags', 'new_addr'],
}

/** Files get ranges of so many bytes from here on. */
const FILES_FROM = 0x600000000000
const FILE_BYTES = 2 ** 36
/** Of each process: behind them no address is a program's. */
const MOST_FILES = 2500

interface Item {
  readonly ns: number
  readonly tid: number
  readonly comm: string
  readonly event: string
  /** The thread that it creates, or 0. */
  readonly child: number
  /** That is of the same process. */
  readonly isThread: boolean
  /** Of the text. */
  readonly line: number
}

/**
 * Whether a text begins as `perf trace` prints it, perhaps behind what the program itself printed.
 * @throws TraceError if it has no times
 */
function isPerfTrace(file: string, first: Uint8Array): boolean {
  const lines = new TextDecoder('latin1').decode(first.subarray(0, FIRST_BYTES)).split(/\r?\n/, FIRST_LINES)
  if (lines.some((line) => LINE.test(line.slice(0, LONGEST)))) return true
  const untimed = lines.findIndex((line) => UNTIMED.test(line))
  if (untimed < 0) return false
  throw new TraceError(
    'missing-events',
    file,
    untimed + 1,
    'the lines of perf trace have no time',
    'Record again without show_timestamp=no in ~/.perfconfig.',
  )
}

function isEnough(first: Uint8Array): boolean {
  if (first.length >= FIRST_BYTES) return true
  let lines = 0
  for (let at = first.indexOf(10); at >= 0 && lines < FIRST_LINES; at = first.indexOf(10, at + 1)) lines++
  return lines >= FIRST_LINES
}

/** Lines of `perf script` that tell what lines of `perf trace` do. */
class PerfTrace {
  readonly #items: Item[] = []
  /** Of calls that others interrupted in the text: their arguments, by thread. */
  readonly #begun = new Map<number, string>()
  readonly #executing = new Set<number>()
  /** Tracepoints that there are: they tell what calls would be guessed from. */
  readonly #tracepoints = new Set<string>()
  readonly #files = new Map<string, number>()
  /** By process: the files of which it has a range, and which of its ranges that is. */
  readonly #mapped = new Map<number, Map<string, number>>()
  readonly #processes = new Map<number, number>()

  /** Lines of the text. */
  lineCount = 0
  readonly #file: string
  readonly #most: number

  constructor(file: string, most: number) {
    this.#file = file
    this.#most = most
  }

  /** @throws TraceError if there are too many lines */
  add(line: string): void {
    this.lineCount++
    if (this.#items.length > this.#most)
      throw new TraceError(
        'limit',
        this.#file,
        this.lineCount,
        'this output of perf trace is too long: its lines must be kept in memory to be sorted',
        'Record for a shorter time, or with: faultline record.',
      )
    const lost = LOST.exec(line)
    if (lost !== null) {
      const { ns, tid, comm } = this.#items.at(-1) ?? { ns: 0, tid: 0, comm: '' }
      const event = `PERF_RECORD_LOST lost ${lost[1]}`
      this.#items.push({ ns, tid, comm, event, child: 0, isThread: false, line: this.lineCount })
      return
    }
    const match = LINE.exec(line)
    if (match === null) return
    const [, start, took = '0', comm = '', thread, what] = match as unknown as string[]
    const tid = Number(thread)
    if (tid > MAX_THREAD) return
    const add = (ms: number, event: string, child = 0, isThread = false): void => {
      const ns = Math.round(ms * 1e6)
      const place = this.lineCount
      this.#items.push({ ns, tid, comm: comm.replaceAll(/\s/g, '_'), event, child, isThread, line: place })
    }
    const from = Number(start)
    const fault = /^m\w{2}fault /.test(what!) ? FAULT.exec(what!.slice(what!.indexOf('] => ') + 5)) : null
    if (fault !== null && start !== '?') return add(from, `fault ${fault[2]} ${fault[1]}`)
    const tracepoint = TRACEPOINT.exec(what!)
    if (tracepoint !== null && start !== '?') return this.#addTracepoint(tracepoint, from, add)
    const call = CALL.exec(what!)
    if (call === null) return
    const [, name, told, result] = call as unknown as [string, string, string, string | undefined]
    if (result === undefined) {
      this.#begun.set(tid, told)
      return
    }
    const values = what!.startsWith('...') ? (this.#begun.get(tid) ?? '') : told
    // What began before the recording has no time.
    if (start === '?') return
    const to = from + Number(took)
    if (name === 'execve' && result === '0') {
      this.#executing.add(tid)
      add(to, `execve ${comm}`)
    } else if (/^(?:clone3?|v?fork)$/.test(name) && Number(result) > 0 && Number(result) <= MAX_THREAD) {
      const flags = cloneFlags(name, values)
      add(from, `${flags}`, Number(result), flags < 0 || (flags & CLONE_FLAGS.THREAD) !== 0)
    }
    if (!Object.hasOwn(ARGUMENTS, name)) return
    const names = ARGUMENTS[name as keyof typeof ARGUMENTS]
    add(from, `syscalls:sys_enter_${name}: ${argumentsOf(names, values)}`)
    add(to, `syscalls:sys_exit_${name}: ${result}`)
  }

  #addTracepoint(
    [, name, told]: readonly string[],
    ms: number,
    add: (ms: number, event: string, child?: number, isThread?: boolean) => void,
  ): void {
    const values = valuesOf(told!)
    const value = (key: string): string => values.get(key) ?? '0'
    const isTrue = (key: string): boolean => /^(?:1|true)$/.test(value(key))
    this.#tracepoints.add(name!)
    if (name!.startsWith('mmap_lock:') && HEX.test(value('mm'))) {
      const flags = `write=${isTrue('write')} success=${isTrue('success')}`
      add(ms, `${name}: mm=${value('mm')} ${flags}`)
    } else if (name!.startsWith('exceptions:') && HEX.test(value('address'))) {
      const code = Number(value('error_code'))
      if (Number.isInteger(code) && code >= 0 && code <= 0xffff)
        add(ms, `${name}: address=${value('address')} ip=0x0 error_code=0x${code.toString(16)}`)
    } else if (name === 'task:task_newtask') {
      const raw = NEW_TASK_RAW.exec(told!)
      const [, child, flags] = raw === null ? (NEW_TASK.exec(told!) ?? []) : [raw[0], raw[1], `0x${raw[2]}`]
      if (Number(child) <= MAX_THREAD)
        add(ms, `task ${Number(flags)}`, Number(child), (Number(flags) & CLONE_FLAGS.THREAD) !== 0)
    } else if (name === EXEC) {
      const [, file, pid, old] = EXECUTED.exec(told!) ?? EXECUTED_RAW.exec(told!) ?? []
      if (file !== undefined)
        add(ms, `${name}: filename=${file.replaceAll('"', '')} pid=${pid} old_pid=${old}`)
    } else if (name === 'sched:sched_process_exit') {
      const isLast = values.has('group_dead') ? ` group_dead=${isTrue('group_dead')}` : ''
      add(ms, `${name}: comm= pid=0 prio=0${isLast}`)
    }
  }

  /** Each with the number of the line that tells it. */
  *lines(): Generator<readonly [text: string, line: number]> {
    const hasTasks = this.#tracepoints.has('task:task_newtask')
    this.#items.sort((a, b) => orderOf(a) - orderOf(b))
    for (const item of this.#items) for (const text of this.#told(item, hasTasks)) yield [text, item.line]
  }

  *#told({ ns, tid, comm, event, child, isThread }: Item, hasTasks: boolean): Generator<string> {
    const pid = this.#processes.get(tid) ?? tid
    const time = `${Math.floor(ns / 1e9) + 1}.${String(ns % 1e9).padStart(9, '0')}`
    const header = `${comm.padStart(16)} ${pid}/${tid} ${time}: `
    if (child > 0) {
      const isTold = event.startsWith('task ')
      if (hasTasks && !isTold) return
      const spawns = !isTold && isThread && this.#executing.has(child)
      // Numbers are used again.
      if (isThread && !spawns) this.#processes.set(child, pid)
      else {
        this.#processes.delete(child)
        this.#mapped.delete(child)
      }
      const known = Number(event.replace('task ', ''))
      const flags = known >= 0 ? known : spawns ? SPAWN_FLAGS : THREAD_FLAGS
      yield `${header}task:task_newtask: pid=${child} comm= clone_flags=${flags.toString(16)} oom_score_adj=0\n`
    } else if (event.startsWith('fault ')) {
      yield* this.#fault(pid, tid, header, event)
    } else if (event.startsWith('execve ')) {
      if (!this.#tracepoints.has(EXEC))
        yield this.#exec(
          pid,
          `${header}${EXEC}: filename=${event.slice('execve '.length)} pid=${tid} old_pid=${tid}\n`,
        )
    } else yield event.startsWith(EXEC) ? this.#exec(pid, `${header}${event}\n`) : `${header}${event}\n`
  }

  /** Another image has mapped no files yet. */
  #exec(pid: number, line: string): string {
    this.#mapped.delete(pid)
    return line
  }

  *#fault(pid: number, tid: number, header: string, event: string): Generator<string> {
    const [, hex, file] = /^fault (\w+) (.*)$/.exec(event) as unknown as [string, string, string]
    const offset = Number.parseInt(hex, 16)
    const mapped = this.#mapped.get(pid) ?? new Map<string, number>()
    const range = mapped.get(file) ?? mapped.size
    // What has no name, or one that no file has, is told with its address.
    if (!/^\/(?!\/|SYSV)/.test(file) || range >= MOST_FILES || offset >= FILE_BYTES)
      return yield `${header}page-faults: ${hex} 0\n`
    const number = this.#files.get(file) ?? this.#files.size
    this.#files.set(file, number)
    this.#mapped.set(pid, mapped)
    const start = FILES_FROM + range * FILE_BYTES
    if (!mapped.has(file)) {
      const place = `[0x${start.toString(16)}(0x${FILE_BYTES.toString(16)}) @ 0 00:00 ${number + 1} 0]`
      yield `${header}PERF_RECORD_MMAP2 ${pid}/${tid}: ${place}: r-xp ${file}\n`
    }
    mapped.set(file, range)
    yield `${header}page-faults: ${(start + offset).toString(16)} 0\n`
  }
}

/** Of the same microsecond a call encloses what it did, which is printed before it. */
function orderOf({ ns, event }: Item): number {
  if (event.startsWith('syscalls:sys_enter')) return ns - 400
  return event.startsWith('syscalls:sys_exit') ? ns + 400 : ns
}

/** -1 where they are not told. */
function cloneFlags(name: string, values: string): number {
  if (name === 'clone3') return -1
  if (name === 'vfork') return SPAWN_FLAGS
  const flags = (/clone_flags: ([^,]*)/.exec(values) ?? /^()([^,:]*)(?:,|$)/.exec(values))?.at(-1) ?? ''
  return flags
    .split('|')
    .map((flag) => flag.trim().replace(PREFIX, ''))
    .reduce((sum, flag) => sum | (Object.entries(CLONE_FLAGS).find(([each]) => each === flag)?.[1] ?? 0), 0)
}

/**
 * The arguments as the kernel's events have them. Those that are 0 are not told, unless none has its name
 * (trace.show_arg_names=no).
 */
function argumentsOf(names: readonly string[], values: string): string {
  const told = valuesOf(values)
  const unnamed = /^[^,:]+(?:,|$)/.test(values) ? values.split(', ') : []
  return names
    .map((name, at) => `${name}: 0x${hexOf(numberOf(unnamed[at] ?? told.get(name) ?? '0'))}`)
    .join(', ')
}

/** By name. The kernel's own form has them apart by blanks (perf trace --libtraceevent_print). */
function valuesOf(text: string): Map<string, string> {
  const isRaw = /^[a-z_]{1,32}=/.test(text)
  const pairs = isRaw ? text.split(' ').map((each) => each.split('=', 2)) : text.split(', ').map(named)
  return new Map(pairs as [string, string][])
}

function named(text: string): string[] {
  return text.trim().split(': ', 2)
}

/** A number, or names of flags. */
function numberOf(text: string): number {
  return text
    .trim()
    .split('|')
    .reduce((sum, each) => sum + (FLAGS.get(each.replace(PREFIX, '')) ?? (Number(each) || 0)), 0)
}

/** As the kernel has it, in 64 bits: -1 is how perf prints what no mapping is as long as. */
function hexOf(value: number): string {
  return Number.isSafeInteger(value) ? BigInt.asUintN(64, BigInt(value)).toString(16) : '0'
}

/**
 * The text of `perf script` with what `perf trace` has told; another text as it is.
 * @param onEnd is told how many lines `perf trace` printed
 * @param onLine is told, of each line that is handed on, the number of the line that `perf trace` printed
 * @param most how many events it may tell of, as they have to be kept
 * @throws TraceError if these are more
 */
export async function* asPerfScript(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  onEnd: (lines: number) => void = () => {},
  onLine: (line: number) => void = () => {},
  most = MOST_ITEMS,
): AsyncGenerator<Uint8Array> {
  const trace = new PerfTrace(file, most)
  let first: Uint8Array | null = new Uint8Array(0)
  let isTrace = false
  let rest = ''
  const decoder = new TextDecoder()
  const read = (chunk: Uint8Array): void => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/)
    rest = lines.pop()!.slice(0, LONGEST)
    for (const line of lines) trace.add(line.slice(0, LONGEST))
  }
  for await (let chunk of chunks) {
    if (first !== null) {
      chunk = first = joined(first, chunk)
      if (!isEnough(first)) continue
      isTrace = isPerfTrace(file, first)
      first = null
    }
    if (isTrace) read(chunk)
    else yield chunk
  }
  if (first !== null) {
    isTrace = isPerfTrace(file, first)
    if (isTrace) read(first)
    else yield first
  }
  if (!isTrace) return
  if (rest !== '') trace.add(rest)
  let text = ''
  for (const [told, line] of trace.lines()) {
    text += told
    onLine(line)
    if (text.length < CHUNK_CHARACTERS) continue
    yield bytesOf(text)
    text = ''
  }
  yield bytesOf(text)
  onEnd(trace.lineCount)
}
