/**
 * What an import tells beside its sums, to who wants more: each wait for the mmap lock, each hold, fault and call, as
 * they end. Times are nanoseconds of the recording's clock; of one thread they come in order, of several they may not.
 */
import type { Mapping } from './layout.ts'
import type { Thread } from './recorded-thread.ts'

/** The process whose mmap lock it is. */
export interface LockOwner {
  readonly process: string
  readonly pid: number
}

/** Who held the lock, or waited for it: a thread, and what it did. */
export interface LockUser {
  readonly process: string
  readonly pid: number
  readonly comm: string
  readonly tid: number
  /** The system call, 'page fault', or 'page fault in CALL' where the kernel took it (lock-events.ts). */
  readonly call: string
  readonly write: boolean
  /** What was faulted on or changed: a file's name, [stack], [heap] or anonymous memory; '' if that is not known. */
  readonly mapping: string
  /** Whose lock it is. */
  readonly owner: LockOwner
}

export interface ImportObserver {
  /** The first event that has a time. */
  begin(ns: number): void
  /**
   * A thread got the lock that it had waited for.
   * @param holder who held it for most of that; null where the trace does not tell
   */
  wait(user: LockUser, holder: LockUser | null, startNs: number, endNs: number): void
  /** A frame of the stack with which the wait told last ended; the innermost comes first. */
  frame(symbol: string): void
  /** A thread gave the lock back, or went on as a reader. */
  hold(user: LockUser, startNs: number, endNs: number): void
  /**
   * A page fault is over: see the fields of the thread.
   * @param nameOf the name of what is mapped: a file's, [stack] or anonymous memory; '' where nothing is known
   */
  fault(thread: Thread, nameOf: (mapping: Mapping | undefined) => string): void
  /** A memory call returned. */
  call(thread: Thread, name: string, startNs: number, endNs: number): void
}

/** Ends the names of the kernel's functions, as flame graphs have it. */
export const KERNEL_MARK = '_[k]'

/**
 * The name of the function in a line of a call chain (`address symbol+offset (file)`), or the file's where there is
 * none; '' for a line that has neither. One of the kernel ends in `_[k]`.
 */
export function symbolOf(line: string): string {
  let symbol = line.slice(0, LONGEST_FRAME).trim()
  const address = /^[0-9a-f]+(?=\s|$)/.exec(symbol)
  if (address !== null) symbol = symbol.slice(address[0].length).trim()
  const open = symbol.endsWith(')') ? symbol.lastIndexOf(' (') : -1
  const file = open < 0 ? '' : symbol.slice(open + 2, -1)
  if (open >= 0) symbol = symbol.slice(0, open).trim()
  const offset = symbol.lastIndexOf('+0x')
  if (offset > 0) symbol = symbol.slice(0, offset)
  const isKernel = address !== null && /^ffff[0-9a-f]{12}$/.test(address[0])
  if (symbol !== '' && symbol !== '[unknown]') return isKernel ? symbol + KERNEL_MARK : symbol
  return file === '' || file === '[unknown]' ? symbol : `[${file.slice(file.lastIndexOf('/') + 1)}]`
}

/** What is behind this of a line is of no name that anybody reads. */
const LONGEST_FRAME = 512
