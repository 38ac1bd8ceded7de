/**
 * What a trace tells: the events that are read, by name, and who is told of them.
 */

/** The system calls whose enter and exit events are followed. */
export const CALL_MMAP = 0
export const CALL_MUNMAP = 1
export const CALL_MPROTECT = 2
export const CALL_BRK = 3
export const CALL_MADVISE = 4
export const CALL_MREMAP = 5
export const CALL_NAMES = ['mmap', 'munmap', 'mprotect', 'brk', 'madvise', 'mremap'] as const
export const CALL_ARGUMENTS = [6, 2, 3, 1, 3, 5] as const

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

/** In the place of an error code, for faults of which the trace does not tell what they were (event page-faults). */
export const FAULT_UNKNOWN = 0x10000

/** What the scanner tells. The line's `pid`, `tid` and time are fields of the scanner. */
export interface TraceEvents {
  /**
   * @param errorCode of x86; FAULT_UNKNOWN where it is not told
   * @param from where the fault was taken: the address in the program, the name of the function of the kernel
   */
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
  /**
   * The line's thread ends.
   * @param groupDead no thread of its process is left
   * @param locks how often it has taken the mmap lock for reading to end: once in acct_collect() if no thread is left
   *   (CONFIG_BSD_PROCESS_ACCT, which distributions set), and before Linux 6.16, which does not print group_dead, once
   *   more in exit_mm(); since then the event comes before that
   */
  exit(groupDead: boolean, locks: number): void
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

export const EVENT_PAGE_FAULT_USER = 1
export const EVENT_PAGE_FAULT_KERNEL = 2
export const EVENT_ENTER = 3 // + call
export const EVENT_EXIT = 9 // + call
export const EVENT_LOCK_START = 15
export const EVENT_LOCK_ACQUIRED = 16
export const EVENT_LOCK_RELEASED = 17
export const EVENT_NEW_TASK = 18
export const EVENT_EXEC = 19
export const EVENT_PROCESS_EXIT = 20
export const EVENT_MMAP2 = 21
export const EVENT_MMAP = 22
export const EVENT_LOST = 23
/** ftrace's own form of both: `sys_mmap(addr: 0, …)` and `sys_mmap -> 0x…`. */
export const EVENT_CALL = 24 // + call
export const EVENT_SCHED_SWITCH = 30
export const EVENT_SWITCH = 31
export const EVENT_WAKING = 32
export const EVENT_SAMPLE = 33
export const EVENT_PAGE_FAULT = 34
export const EVENT_FORK = 35
/** Of no use here. */
export const EVENT_UNUSED = 36
/** A page fault that Linux has handled: the same as EVENT_PAGE_FAULT has told of, if that is recorded too. */
export const EVENT_HANDLED_FAULT = 37
/** Its name has its options behind it: `cpu-clock/period=1000000/u`. */
export const SAMPLE_EVENT = 'cpu-clock'

/** perf names these events as they were asked for, with modifiers: `faults:uk`, `page-faults/period=1/`. */
export const FAULT_NAMES: readonly (readonly [RegExp, number])[] = [
  [/^(?:page-)?faults(?:[:/].*)?$/, EVENT_PAGE_FAULT],
  [/^(?:minor|major)-faults(?:[:/].*)?$/, EVENT_HANDLED_FAULT],
]

export const KNOWN_EVENTS: readonly (readonly [string, number])[] = [
  ['exceptions:page_fault_user', EVENT_PAGE_FAULT_USER],
  ['exceptions:page_fault_kernel', EVENT_PAGE_FAULT_KERNEL],
  ['page-faults', EVENT_PAGE_FAULT],
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
  // With perf script --show-task-events.
  ['PERF_RECORD_FORK', EVENT_FORK],
  ['PERF_RECORD_COMM', EVENT_UNUSED],
  ['PERF_RECORD_EXIT', EVENT_UNUSED],
  ['PERF_RECORD_LOST_SAMPLES', EVENT_LOST],
]

/** The same events as ftrace and trace-cmd name them. */
export const FTRACE_EVENTS: readonly (readonly [string, number])[] = [
  ...KNOWN_EVENTS.filter(([name]) => name.includes(':')).map(
    ([name, code]) => [name.slice(name.indexOf(':') + 1), code] as const,
  ),
  ...CALL_NAMES.map((name, call) => [`sys_${name}`, EVENT_CALL + call] as const),
]
