// Arguments and results of the calls of an address space: options and their checks, limits, mappings.

import {
  MADV,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
} from '../../kernel/index.ts'
import {
  type OptionChecks,
  checkAddress,
  checkBoolean,
  checkChoice,
  checkFunction,
  checkOffset,
  checkWhole,
  unchecked,
} from './arguments.ts'
import type { MachineFile } from './machine-file.ts'
import { type Protection, checkProtection } from './protection.ts'
import { type Size, bytesOf, bytesOfLimit } from './size.ts'

/** Advice to madvise(), by the names of Linux in lower case: 'dontneed' for MADV_DONTNEED. */
export type Advice = keyof typeof MADV

/**
 * A limit of an address space, as `setrlimit` names it: 'as' of all that is mapped, 'data' of what is private and can
 * be written, 'stack' of how far one growsDown mapping may grow, 'memlock' of what may be locked.
 */
export type Limit = 'as' | 'data' | 'stack' | 'memlock'

/** Limits of an address space, see setrlimit(2). A forked one inherits them. */
export interface AddressSpaceOptions {
  /** Most mappings that there may be. Default 65,530, as Linux's vm.max_map_count. */
  readonly maxMapCount?: number
  /** RLIMIT_AS: how much may be mapped, in bytes. Default Infinity. */
  readonly asLimit?: Size
  /** RLIMIT_DATA: how much may be mapped that is private and can be written, in bytes. Default Infinity. */
  readonly dataLimit?: Size
  /** RLIMIT_STACK: how far a growsDown mapping may grow, in bytes. Default 8 MiB. */
  readonly stackLimit?: Size
  /** RLIMIT_MEMLOCK: how much may be locked, in bytes; 0 forbids it. Default 8 MiB. */
  readonly memlockLimit?: Size
}

/** How mmap() maps. Without `file`, the memory is anonymous: zeros, and private unless `shared`. */
export interface MapOptions {
  /** Default 'rw'. */
  readonly protection?: Protection
  /** Where to map: a hint, unless `fixed`. */
  readonly address?: number
  /** true: exactly at `address`, in place of what is there. 'noreplace': there or not at all (EEXIST). */
  readonly fixed?: boolean | 'noreplace'
  /**
   * Writes are seen by every mapping of the same file; for anonymous memory, by every address space that inherits it.
   */
  readonly shared?: boolean
  /** What Machine.createFile() or openFile() gave. */
  readonly file?: MachineFile
  /** Where in the file the mapping begins: a multiple of 4096. */
  readonly offset?: number
  /** A stack: grows downwards to an access below it. */
  readonly growsDown?: boolean
  readonly noReserve?: boolean
  /**
   * The stack of a thread (MAP_STACK): as in Linux since 6.7, it has no huge pages, and therefore does not merge with
   * memory that may have some.
   */
  readonly stack?: boolean
  /** Brings every page in at once. */
  readonly populate?: boolean
  /**
   * Brings every page in at once, on frames that follow each other, so that withRange shows all of it without moving
   * pages first. Of private anonymous memory only.
   */
  readonly contiguous?: boolean
  /** Locks the mapping in memory and brings every page in, as far as there is memory. */
  readonly locked?: boolean
}

/** What mlockall() locks. */
export interface LockAllOptions {
  /** What is mapped. */
  readonly current?: boolean
  /** What will be mapped. */
  readonly future?: boolean
  /** Only pages that are there or come by a fault; none is brought in. */
  readonly onFault?: boolean
}

/** How much an address space has mapped, in bytes, as /proc/PID/status tells. */
export interface MappedSize {
  /** All that is mapped (VmSize). */
  readonly total: number
  /** Of it, what is private and can be written (VmData). */
  readonly data: number
  /** growsDown mappings (VmStk). */
  readonly stack: number
  /** What can be executed and not written (VmExe and VmLib). */
  readonly executable: number
  /** What is locked (VmLck). */
  readonly locked: number
}

/** How mremap() moves, as its flags of Linux. */
export interface RemapOptions {
  readonly mayMove?: boolean
  /** Move to exactly this address, in place of what is there. */
  readonly fixed?: number
  /** Leave the old range mapped, without its pages. */
  readonly dontUnmap?: boolean
}

/** A mapping, as a line of /proc/PID/maps tells it: addresses in bytes, `end` exclusive. */
export interface Mapping {
  readonly start: number
  readonly end: number
  readonly protection: Protection
  readonly shared: boolean
  /** Of a file mapping, where in the file it begins, in bytes; else 0. */
  readonly offset: number
  /** Which file; 0 for anonymous memory. */
  readonly file: number
  readonly growsDown: boolean
}

/** What a thread wants to be told of an address space, see AddressSpace.observe(). */
export interface Observer {
  /**
   * This thread has waited for the mmap lock, for writing or reading. It is told when it has left the kernel: at the
   * end of the call; of a wait of an access, at the end of the next call or in the next microtask. What it throws
   * becomes an uncaught exception of the thread.
   */
  mmapLockWait?(write: boolean, nanoseconds: number): void
}

export const msyncFlags = { sync: MS_SYNC, async: MS_ASYNC, invalidate: MS_INVALIDATE } as const
const limitNumbers: Readonly<Record<Limit, number>> = {
  as: RLIMIT_AS,
  data: RLIMIT_DATA,
  stack: RLIMIT_STACK,
  memlock: RLIMIT_MEMLOCK,
}

export const mapChecks: OptionChecks<MapOptions> = {
  protection: checkProtection,
  address: checkAddress,
  fixed(value, name) {
    if (value !== 'noreplace') checkBoolean(value, name, "true, false or 'noreplace'")
  },
  shared: checkBoolean,
  file: unchecked,
  offset: checkOffset,
  growsDown: checkBoolean,
  noReserve: checkBoolean,
  stack: checkBoolean,
  populate: checkBoolean,
  contiguous: checkBoolean,
  locked: checkBoolean,
}
export const remapChecks: OptionChecks<RemapOptions> = {
  mayMove: checkBoolean,
  fixed: checkAddress,
  dontUnmap: checkBoolean,
}
export const lockChecks: OptionChecks<{ readonly onFault?: boolean }> = { onFault: checkBoolean }
export const observerChecks: OptionChecks<Observer> = { mmapLockWait: checkFunction }
export const lockAllChecks: OptionChecks<LockAllOptions> = {
  current: checkBoolean,
  future: checkBoolean,
  onFault: checkBoolean,
}
export const spaceChecks: OptionChecks<AddressSpaceOptions> = {
  maxMapCount: (value, name) => checkWhole(value, name, 1, 2 ** 24, 'a whole number from 1 to 2^24'),
  asLimit: (value, name) => void bytesOfLimit(value, name),
  dataLimit: (value, name) => void bytesOfLimit(value, name),
  stackLimit: (value, name) => checkWhole(bytesOf(value, name), name, 0, 2 ** 42 - 1, 'a size below 4 TiB'),
  memlockLimit: (value, name) => void bytesOfLimit(value, name),
}

/** The kernel's number for a limit. Throws for what is none. */
export function limitNumber(limit: Limit): number {
  checkChoice(limit, 'limit', limitNumbers)
  return limitNumbers[limit]
}
