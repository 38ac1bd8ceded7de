/**
 * What `perf trace` prints, as lines of `perf script`: memory calls with their arguments and times, the creation of
 * threads and processes, page faults (`perf trace -F all`), and tracepoints (`-e 'mmap_lock:*,exceptions:*'`).
 *
 * Principles: only what is told is handed on. Faults of `-F` have no error codes, and of a page of a file its place in
 * that instead of an address: each file gets a range of its own, where nothing else is. A line that stands for what
 * began before is told of when it ended, so that all are put in the order of time first.
 */
import { CALL_NAMES } from './trace-events.ts'

/** Milliseconds since the beginning, the call's own in parentheses, thread. */
const LINE =
  /^ *(\?|\d+\.\d{3}) \( *(?:(\d+\.\d{3}) ms)? *\): (.*?)\/(\d+) +((?:m(?:in|aj)fault \[|\.\.\. \[|[\w:]+\().*)$/
const FAULT = /^m(?:in|aj)fault \[.*\] => (.*?)@?0x([0-9a-f]+) \(..\)$/
const CALL = /^(?:\.\.\. \[continued\]: )?(\w+)\((.*?)\)+ +(?:\.\.\.|= (-?\w+).*)$/
const TRACEPOINT = /^((?:mmap_lock|exceptions|task|sched):\w+)\((.*)\)$/
/** Longer lines are none of these. */
const LONGEST = 4096

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
/** By what perf calls them, without MADV_. */
const FLAGS: Readonly<Record<string, number>> = {
  ...PROTECTIONS,
  ...MAP_TYPES,
  ...MAP_OPTIONS,
  ...REMAPS,
  ...ADVICE,
}
const CLONE_FLAGS: Readonly<Record<string, number>> = { VM: 0x100, VFORK: 0x4000, THREAD: 0x10000 }
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

interface Item {
  readonly ns: number
  readonly tid: number
  readonly comm: string
  readonly event: string
  /** The thread that it creates, or 0. */
  readonly child: number
  /** That is of the same process. */
  readonly isThread: boolean
}

/** Whether a text begins as `perf trace` prints it. */
export function isPerfTrace(first: Uint8Array): boolean {
  const [line = ''] = new TextDecoder('latin1').decode(first.subarray(0, LONGEST)).split('\n', 1)
  return LINE.test(line.replace(/\r$/, ''))
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
  /** Files of which a process has a range. */
  readonly #mapped = new Set<string>()
  readonly #processes = new Map<number, number>()

  add(line: string): void {
    const match = LINE.exec(line)
    if (match === null) return
    const [, start, took = '0', comm, thread, what] = match as unknown as string[]
    const tid = Number(thread)
    const add = (ms: number, event: string, child = 0, isThread = false): void => {
      const ns = Math.round(ms * 1e6)
      this.#items.push({ ns, tid, comm: comm!.replaceAll(/\s/g, '_'), event, child, isThread })
    }
    const from = Number(start)
    const fault = FAULT.exec(what!)
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
    } else if (/^(?:clone3?|v?fork)$/.test(name) && Number(result) > 0) {
      const flags = cloneFlags(name, values)
      add(from, `${flags}`, Number(result), flags < 0 || (flags & CLONE_FLAGS['THREAD']!) !== 0)
    }
    const names = ARGUMENTS[name as keyof typeof ARGUMENTS]
    if (names === undefined) return
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
    const number = (key: string): number => Number.parseInt(value(key), 10) || 0
    this.#tracepoints.add(name!)
    if (name!.startsWith('mmap_lock:')) {
      const flags = `write=${value('write') === '1'} success=${value('success') === '1'}`
      add(ms, `${name}: mm=${value('mm')} ${flags}`)
    } else if (name!.startsWith('exceptions:')) {
      const code = number('error_code').toString(16)
      add(ms, `${name}: address=${value('address')} ip=0x0 error_code=0x${code}`)
    } else if (name === 'task:task_newtask') {
      const flags = number('clone_flags')
      add(ms, `task ${flags}`, number('pid'), (flags & CLONE_FLAGS['THREAD']!) !== 0)
    } else if (name === EXEC) {
      add(
        ms,
        `${name}: filename=${value('filename').replaceAll('"', '')} pid=${number('pid')} old_pid=${number('old_pid')}`,
      )
    } else if (name === 'sched:sched_process_exit') {
      const isLast = values.has('group_dead') ? ` group_dead=${value('group_dead') === '1'}` : ''
      add(ms, `${name}: comm= pid=0 prio=0${isLast}`)
    }
  }

  *lines(): Generator<string> {
    const hasTasks = this.#tracepoints.has('task:task_newtask')
    this.#items.sort((a, b) => orderOf(a) - orderOf(b))
    for (const { ns, tid, comm, event, child, isThread } of this.#items) {
      const pid = this.#processes.get(tid) ?? tid
      const time = `${Math.floor(ns / 1e9) + 1}.${String(ns % 1e9).padStart(9, '0')}`
      const header = `${comm.padStart(16)} ${pid}/${tid} ${time}: `
      if (child > 0) {
        const isTold = event.startsWith('task ')
        if (hasTasks && !isTold) continue
        const spawns = !isTold && isThread && this.#executing.has(child)
        if (isThread && !spawns) this.#processes.set(child, pid)
        const known = Number(event.replace('task ', ''))
        const flags = known >= 0 ? known : spawns ? SPAWN_FLAGS : THREAD_FLAGS
        yield `${header}task:task_newtask: pid=${child} comm= clone_flags=${flags.toString(16)} oom_score_adj=0\n`
      } else if (event.startsWith('fault ')) {
        yield* this.#fault(pid, tid, header, event)
      } else if (!event.startsWith('execve ')) yield `${header}${event}\n`
      else if (!this.#tracepoints.has(EXEC))
        yield `${header}${EXEC}: filename=${event.slice('execve '.length)} pid=${tid} old_pid=${tid}\n`
    }
  }

  *#fault(pid: number, tid: number, header: string, event: string): Generator<string> {
    const [, hex, file] = /^fault (\w+) (.*)$/.exec(event) as unknown as [string, string, string]
    // What has no name, or one that no file has, is told with its address.
    if (!file.startsWith('/') || file.startsWith('//')) return yield `${header}page-faults: ${hex} 0\n`
    const number = this.#files.get(file) ?? this.#files.size
    this.#files.set(file, number)
    const start = FILES_FROM + number * FILE_BYTES
    const key = `${pid} ${number}`
    if (!this.#mapped.has(key)) {
      const range = `[0x${start.toString(16)}(0x${FILE_BYTES.toString(16)}) @ 0 00:00 ${number + 1} 0]`
      yield `${header}PERF_RECORD_MMAP2 ${pid}/${tid}: ${range}: r-xp ${file}\n`
    }
    this.#mapped.add(key)
    yield `${header}page-faults: ${(start + Number.parseInt(hex, 16)).toString(16)} 0\n`
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
  const flags = /clone_flags: ([^,]*)/.exec(values)?.[1] ?? ''
  return flags.split('|').reduce((sum, flag) => sum | (CLONE_FLAGS[flag] ?? 0), 0)
}

/** The arguments as the kernel's events have them; those that are 0 are not told. */
function argumentsOf(names: readonly string[], values: string): string {
  const told = valuesOf(values)
  return names.map((name) => `${name}: 0x${numberOf(told.get(name) ?? '0').toString(16)}`).join(', ')
}

function valuesOf(text: string): Map<string, string> {
  return new Map(text.split(', ').map((each) => each.split(': ', 2) as [string, string]))
}

/** A number, or names of flags. */
function numberOf(text: string): number {
  return text
    .split('|')
    .reduce((sum, each) => sum + (FLAGS[each.replace(/^MADV_/, '')] ?? (Number(each) || 0)), 0)
}

/** The text of `perf script` with what `perf trace` has told; another text as it is. */
export async function* asPerfScript(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let trace: PerfTrace | null = null
  let isFirst = true
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of chunks) {
    if (isFirst && isPerfTrace(chunk)) trace = new PerfTrace()
    isFirst = false
    if (trace === null) {
      yield chunk
      continue
    }
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/)
    rest = lines.pop()!.slice(0, LONGEST)
    for (const line of lines) trace.add(line.slice(0, LONGEST))
  }
  if (trace === null) return
  trace.add(rest)
  const encoder = new TextEncoder()
  for (const line of trace.lines()) yield encoder.encode(line)
}
