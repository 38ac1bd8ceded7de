/**
 * The error of everything that reads, plans or replays a recorded program.
 *
 * Principle: whoever meets it must be able to act on it. It therefore always names the file, the line where there is
 * one, what is wrong, and what to do about it.
 */

export type TraceErrorCode =
  | 'unreadable' // the file cannot be opened or read
  | 'corrupt' // gzip data that is truncated or damaged
  | 'not-a-trace' // not the text that `perf script` prints
  | 'missing-events' // perf text, but without the events a replay needs
  | 'malformed' // a known event whose fields cannot be read
  | 'out-of-range' // a field whose value cannot be
  | 'time' // times going backwards
  | 'no-such-process' // the chosen process is not in the trace
  | 'limit' // more threads, addresses or bytes than can be handled
  | 'spool' // the temporary file cannot be written or read
  | 'replay' // the replay could not go on

const callEvents = ['mmap', 'munmap', 'mprotect', 'brk', 'madvise', 'mremap'].flatMap((name) => [
  `syscalls:sys_enter_${name}`,
  `syscalls:sys_exit_${name}`,
])

/** The tracepoints that a replay and a report read. */
export const recordedEvents: readonly string[] = [
  'exceptions:page_fault_user',
  'exceptions:page_fault_kernel',
  ...callEvents,
  'task:task_newtask',
  'sched:sched_process_exec',
  'sched:sched_process_exit',
  'sched:sched_waking',
  'mmap_lock:mmap_lock_start_locking',
  'mmap_lock:mmap_lock_acquire_returned',
  'mmap_lock:mmap_lock_released',
]

/**
 * Samples of the CPU, a thousand for each second that a thread has one: of the program, by the instruction; of the
 * kernel, by its call chain. They tell what page faults take (thread-samples.ts). Idle CPUs are left out.
 */
export const sampleEvents: readonly string[] = [
  'cpu-clock/period=1000000/uI',
  'cpu-clock/period=1000000,call-graph=fp/kI',
]

/** The exact commands that record and print a trace which can be replayed. */
export const recordCommand =
  'perf record -d -c 1 -m 8192 -k CLOCK_MONOTONIC --switch-events --sample-cpu --kernel-callchains ' +
  `-e '${[...recordedEvents, ...sampleEvents].join(',')}' -- COMMAND`

export const scriptCommand =
  'perf script --show-mmap-events --show-lost-events --show-switch-events ' +
  '-F trace:comm,pid,tid,cpu,time,event,trace -F sw:comm,pid,tid,cpu,time,event,ip,sym'

/** What to do with a file that is no recording. */
export const howToMake =
  'Give the recording that faultline record wrote, or the text of perf script, perf trace or trace-cmd report.'

export class TraceError extends Error {
  readonly code: TraceErrorCode
  /** Path of the trace, or `<stdin>`. */
  readonly file: string
  /** Line in the (decompressed) text, counted from 1; undefined where the error belongs to no line. */
  readonly line: number | undefined
  /** What to do about it; a sentence. */
  readonly remedy: string

  constructor(
    code: TraceErrorCode,
    file: string,
    line: number | undefined,
    problem: string,
    remedy: string,
    cause?: unknown,
  ) {
    super(
      `${file}${line === undefined ? '' : `:${line}`}: ${problem}. ${remedy}`,
      cause === undefined ? undefined : { cause },
    )
    this.name = 'TraceError'
    this.code = code
    this.file = file
    this.line = line
    this.remedy = remedy
  }
}
