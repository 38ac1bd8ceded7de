// An address space, as one thread sees it: the system calls and the accesses of a program.
//
// Addresses and lengths are in bytes, addresses below 2^43. Calls have the names, the rules and the errors of Linux;
// what a system call would return as an errno is thrown as MemoryError, what would be a signal as SegmentationFault
// or BusError.

import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  DEFAULT_MAX_MAP_COUNT,
  DEFAULT_STACK_LIMIT,
  MADV,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_POPULATE,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MM_ANON_PAGES,
  MM_FILE_PAGES,
  MM_SHMEM_PAGES,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  Mm,
  PAGE_SIZE,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
  SegmentationFault,
  TASK_SIZE,
  type Task,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_SHARED,
  Vma,
  addInt32,
  brk,
  compareExchangeInt32,
  createMm,
  destroyMm,
  fillBytes,
  forkMm,
  getMmCounter,
  heapBytes,
  isMm,
  joinMm,
  leaveMm,
  limitBytes,
  loadAlignedInt32,
  loadUint8,
  madvise,
  mincore,
  mlock,
  mlockall,
  mmap,
  mmapReadLock,
  mmapReadUnlock,
  mmapWriteLock,
  mmapWriteUnlock,
  mprotect,
  mremap,
  msync,
  munlock,
  munlockall,
  munmap,
  numberAt,
  oomReap,
  readBytes,
  setLimitBytes,
  registerMmuNotifier,
  setStartOfHeap,
  startOfHeap,
  storeAlignedInt32,
  storeUint8,
  touch,
  writeBytes,
} from '../../kernel/index.ts'
import {
  allocateBytes,
  checkAddend,
  checkAddress,
  checkBigUint64,
  checkBoolean,
  checkBytes,
  checkChoice,
  checkFunction,
  checkLimit,
  checkNumber,
  checkOffset,
  checkString,
  checkUnsigned,
  checkWhole,
  goneInCall,
  type OptionChecks,
  plainBytes,
  rangeError,
  readOptions,
  unchecked,
} from './arguments.ts'
import { OWN, type Own, assertOwn } from './construction.ts'
import { MemoryError, OutOfMemory, checkResult } from './errors.ts'
import { type MachineHandle, readPlace } from './handles.ts'
import { LockWaits } from './lock-waits.ts'
import { Machine } from './machine.ts'
import { MachineFile } from './machine-file.ts'
import { MmuNotifier } from './mmu-notifier.ts'
import { OwnBytes } from './own-arrays.ts'
import { beyond, misaligned, pageOf, pagesOf, pagesOrNone, pagesTouched } from './page-ranges.ts'
import { type Protection, checkProtection, protectionFlags, protectionName } from './protection.ts'
import { assureRoomForSteps, assureStackRoom } from './stack-room.ts'

/** First address beyond what a program can use: 8 TiB less a page. */
export const ADDRESS_LIMIT = TASK_SIZE * PAGE_SIZE

export type Advice = keyof typeof MADV

/**
 * A limit of an address space, as `setrlimit` names it: 'as' of all that is mapped, 'data' of what is private and can
 * be written, 'stack' of how far one growsDown mapping may grow, 'memlock' of what may be locked.
 */
export type Limit = 'as' | 'data' | 'stack' | 'memlock'

export interface AddressSpaceOptions {
  /** Most mappings that there may be. Default 65,530, as Linux's vm.max_map_count. */
  readonly maxMapCount?: number
  /** RLIMIT_AS: how much may be mapped, in bytes. Default Infinity. */
  readonly asLimit?: number
  /** RLIMIT_DATA: how much may be mapped that is private and can be written, in bytes. Default Infinity. */
  readonly dataLimit?: number
  /** RLIMIT_STACK: how far a growsDown mapping may grow, in bytes. Default 8 MiB. */
  readonly stackLimit?: number
  /** RLIMIT_MEMLOCK: how much may be locked, in bytes; 0 forbids it. Default 8 MiB. */
  readonly memlockLimit?: number
}

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
  /** Brings every page in at once. */
  readonly populate?: boolean
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

export interface RemapOptions {
  readonly mayMove?: boolean
  /** Move to exactly this address, in place of what is there. */
  readonly fixed?: number
  /** Leave the old range mapped, without its pages. */
  readonly dontUnmap?: boolean
}

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

export interface Observer {
  /**
   * This thread has waited for the mmap lock, for writing or reading. It is told when it has left the kernel: at the
   * end of the call; of a wait of an access, at the end of the next call or in the next microtask. What it throws
   * becomes an uncaught exception of the thread.
   */
  mmapLockWait?(write: boolean, nanoseconds: number): void
}

/** What another thread needs to use the address space. Can be cloned. */
export interface AddressSpaceHandle {
  readonly kind: 'faultline-space'
  readonly machine: MachineHandle
  readonly mm: number
  readonly generation: number
}

/** Set in the result of touch() when the last fault of the access was handled without the mmap lock. */
export const TOUCH_SPECULATIVE = 0x8000

const msyncFlags = { sync: MS_SYNC, async: MS_ASYNC, invalidate: MS_INVALIDATE } as const
const limitNumbers: Readonly<Record<Limit, number>> = {
  as: RLIMIT_AS,
  data: RLIMIT_DATA,
  stack: RLIMIT_STACK,
  memlock: RLIMIT_MEMLOCK,
}

const accessKinds = { r: ACCESS_READ, w: ACCESS_WRITE, x: ACCESS_EXECUTE } as const

const mapChecks: OptionChecks<MapOptions> = {
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
  populate: checkBoolean,
  locked: checkBoolean,
}
const remapChecks: OptionChecks<RemapOptions> = {
  mayMove: checkBoolean,
  fixed: checkAddress,
  dontUnmap: checkBoolean,
}
const lockChecks: OptionChecks<{ readonly onFault?: boolean }> = { onFault: checkBoolean }
const observerChecks: OptionChecks<Observer> = { mmapLockWait: checkFunction }
const lockAllChecks: OptionChecks<LockAllOptions> = {
  current: checkBoolean,
  future: checkBoolean,
  onFault: checkBoolean,
}
const spaceChecks: OptionChecks<AddressSpaceOptions> = {
  maxMapCount: (value, name) => checkWhole(value, name, 1, 2 ** 24, 'a whole number from 1 to 2^24'),
  asLimit: checkLimit,
  dataLimit: checkLimit,
  stackLimit: (value, name) => checkWhole(value, name, 0, 2 ** 42 - 1, 'a whole number of bytes below 4 TiB'),
  memlockLimit: checkLimit,
}
/** How many address spaces a thread remembers at least before it looks which of them are gone. */
const SPACES_BEFORE_SWEEP = 8
/** The number from which on it looks the next time. */
const sweepSizes = new WeakMap<Machine, number>()

export class AddressSpace {
  /** For Machine.createAddressSpace(). */
  static create(machine: Machine, given: AddressSpaceOptions): AddressSpace {
    Machine.check(machine)
    assureRoomForSteps()
    const options = readOptions(given, 'createAddressSpace options', spaceChecks)
    const maxMapCount = options.maxMapCount ?? DEFAULT_MAX_MAP_COUNT
    const stackBytes = options.stackLimit ?? DEFAULT_STACK_LIMIT * PAGE_SIZE
    const stackLimit = Math.floor(stackBytes / PAGE_SIZE)
    const limits: [resource: number, bytes: number][] = [[RLIMIT_STACK, stackBytes]]
    for (const [resource, bytes] of [
      [RLIMIT_AS, options.asLimit],
      [RLIMIT_DATA, options.dataLimit],
      [RLIMIT_MEMLOCK, options.memlockLimit],
    ] as const) {
      if (bytes !== undefined) limits.push([resource, bytes])
    }
    const mm = machine.enter('createAddressSpace', (task) => createMm(task, maxMapCount, stackLimit))
    if (mm === 0) throw new OutOfMemory('createAddressSpace', 'the kernel heap is used up')
    const space = AddressSpace.#of(machine, mm, numberAt(machine.task.heap, mm + Mm.generation))
    for (const [resource, bytes] of limits)
      machine.enter('createAddressSpace', (task) => setLimitBytes(task, mm, resource, bytes))
    return space
  }

  /**
   * The same address space in another thread, which gets attached to its machine. Errors: ESRCH (there is none: it was
   * destroyed), and those of Machine.attach(), also for what is no handle of an address space.
   */
  static attach(handle: AddressSpaceHandle): AddressSpace {
    const place = readPlace(handle, 'faultline-space', 'an address space', 'mm')
    const { pointer: mm, generation } = place
    const machine = Machine.attach(place.machine)
    const present = machine.spaces.get(generation)
    if (present !== undefined && present.#mm === mm) return present
    if (present !== undefined && present.#exists())
      rangeError('handle.mm', mm, `where the address space ${generation} is`, 'ERR_INVALID_ARG_VALUE')
    if (!machine.enter('attach', (task) => isMm(task, mm, generation))) AddressSpace.#gone()
    return AddressSpace.#of(machine, mm, generation)
  }

  /** A thread has one object for each address space, since it joins it once and leaves it once. */
  static #of(machine: Machine, mm: number, generation: number): AddressSpace {
    const present = machine.spaces.get(generation)
    if (present !== undefined) return present
    const space = new AddressSpace(OWN, machine, mm, generation)
    AddressSpace.#sweep(machine)
    machine.spaces.set(generation, space)
    return space
  }

  /**
   * Forgets address spaces that other threads have destroyed: their number is never more than twice that of those that
   * there are, and what it costs is in proportion to those that were made.
   */
  static #sweep(machine: Machine): void {
    const { spaces } = machine
    if (spaces.size < (sweepSizes.get(machine) ?? SPACES_BEFORE_SWEEP)) return
    for (const [generation, space] of spaces) if (!space.#exists()) spaces.delete(generation)
    sweepSizes.set(machine, Math.max(SPACES_BEFORE_SWEEP, 2 * spaces.size))
  }

  readonly #machine: Machine
  readonly #task: Task
  readonly #mm: number
  readonly #scratchView = new DataView(new ArrayBuffer(8))
  /** The first 2, 4 and 8 bytes of it. */
  readonly #scratch2 = new OwnBytes(this.#scratchView.buffer, 0, 2)
  readonly #scratch4 = new OwnBytes(this.#scratchView.buffer, 0, 4)
  readonly #scratch8 = new OwnBytes(this.#scratchView.buffer, 0, 8)
  /** This thread counts as a user from its first call or access on. */
  #joined = false
  /** Which address space it was that lives at this place of the heap. */
  readonly #generation: number
  readonly #generationLow: number
  readonly #generationHigh: number

  private constructor(key: Own, machine: Machine, mm: number, generation: number) {
    assertOwn(key, 'AddressSpace', 'machine.createAddressSpace() or AddressSpace.attach()')
    this.#machine = machine
    this.#task = machine.task
    this.#mm = mm
    this.#generation = generation
    this.#generationLow = generation | 0
    this.#generationHigh = Math.floor(generation / 2 ** 32)
  }

  get machine(): Machine {
    return this.#machine
  }

  get handle(): AddressSpaceHandle {
    return {
      kind: 'faultline-space',
      machine: this.#machine.handle,
      mm: this.#mm,
      generation: this.#generation,
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The layout

  /**
   * Maps `length` bytes, rounded up to whole pages, and returns where. Errors: EINVAL (zero length, misaligned offset
   * or fixed address, a shared stack), ENOMEM (no room, too many mappings, beyond a limit or what may be committed),
   * EEXIST (`noreplace`), EPERM (below 64 KiB; `locked` where nothing may be), EAGAIN (more than may be locked),
   * EOVERFLOW, EACCES (shared and writable, of a file that was opened for reading only). What a `fixed` mapping was to
   * replace stays where the call fails.
   */
  mmap(length: number, given: MapOptions = {}): number {
    const options = readOptions(given, 'mmap options', mapChecks)
    const { address = 0, offset = 0, fixed = false, file } = options
    const mapped = file === undefined ? null : MachineFile.forMapping(file, this.#machine)
    const pages = pagesOf(length, 'mmap')
    const hint = Math.floor(address / PAGE_SIZE)
    if (offset % PAGE_SIZE !== 0 || offset < 0)
      throw new MemoryError('EINVAL', 'mmap', `offset: ${offset} is not a multiple of 4096`)
    if (fixed !== false && address % PAGE_SIZE !== 0) throw misaligned(address, 'mmap')
    if (address < 0 || address >= 2 ** 43)
      throw new MemoryError(fixed === false ? 'EINVAL' : 'ENOMEM', 'mmap', beyond(address))
    let vmFlags = protectionFlags(options.protection ?? 'rw')
    if (options.shared === true) vmFlags |= VM_SHARED
    if (options.shared === true && mapped?.writable === false) vmFlags |= VM_NO_MAYWRITE
    if (options.growsDown === true) vmFlags |= VM_GROWSDOWN
    if (options.noReserve === true) vmFlags |= VM_NORESERVE
    if (options.locked === true) vmFlags |= VM_LOCKED
    let mapFlags = options.populate === true ? MAP_POPULATE : 0
    if (fixed === 'noreplace') mapFlags |= MAP_FIXED_NOREPLACE
    else if (fixed) mapFlags |= MAP_FIXED
    const page = this.#call('mmap', (task, mm) => {
      const map = (_: Task, pointer: number): number =>
        mmap(task, mm, hint, pages, vmFlags, mapFlags, pointer, offset / PAGE_SIZE)
      return mapped === null ? map(task, 0) : mapped.use(task, map)
    })
    return page * PAGE_SIZE
  }

  /**
   * Takes away what is mapped in the range. Errors: EINVAL (misaligned, empty, out of range), ENOMEM (a split would
   * exceed maxMapCount).
   */
  munmap(address: number, length: number): void {
    const start = pageOf(address, 'munmap')
    const end = start + pagesOf(length, 'munmap')
    this.#call('munmap', (task, mm) => (end > TASK_SIZE ? -EINVAL : munmap(task, mm, start, end)))
  }

  /**
   * Changes the protection. Errors: EINVAL (misaligned), ENOMEM (part of the range is not mapped, or may not become
   * writable for the limit of data or what may be committed), EACCES (writing to a shared mapping of a file that was
   * opened for reading only). What is before that part has changed.
   */
  mprotect(address: number, length: number, protection: Protection): void {
    const start = pageOf(address, 'mprotect')
    checkProtection(protection, 'protection')
    const access = protectionFlags(protection)
    const end = start + pagesOrNone(length, 'mprotect')
    this.#call('mprotect', (task, mm) => (end > TASK_SIZE ? -ENOMEM : mprotect(task, mm, start, end, access)))
  }

  /**
   * Advises. Errors: EINVAL (misaligned, unknown advice; 'free' of anything but private anonymous memory; 'dontneed',
   * 'free', 'cold' and 'pageout' of locked memory), ENOMEM (part of the range is not mapped; the advice is taken for
   * the rest).
   */
  madvise(address: number, length: number, advice: Advice): void {
    const start = pageOf(address, 'madvise')
    checkString(advice, 'advice')
    const number = Object.hasOwn(MADV, advice) ? MADV[advice] : undefined
    if (number === undefined) throw new MemoryError('EINVAL', 'madvise', `advice: there is no '${advice}'`)
    const end = start + pagesOrNone(length, 'madvise')
    this.#call('madvise', (task, mm) => madvise(task, mm, start, end, number))
  }

  /**
   * Writes back what was written to the shared file mappings of the range, of whichever thread. 'sync' returns when it
   * is safe on disk; 'async' leaves it to a later call, as Linux does, and 'invalidate' has nothing to do, since there
   * is one page cache. Errors: EINVAL (misaligned), ENOMEM (part of the range is not mapped; the rest is written),
   * EBUSY ('invalidate' of locked memory), and those of the disk, told once as DiskFile.sync() tells them.
   */
  msync(address: number, length: number, mode: keyof typeof msyncFlags = 'sync'): void {
    const start = pageOf(address, 'msync')
    checkString(mode, 'mode')
    const flags = Object.hasOwn(msyncFlags, mode) ? msyncFlags[mode] : undefined
    if (flags === undefined) throw new MemoryError('EINVAL', 'msync', `mode: there is no '${mode}'`)
    const end = start + pagesOrNone(length, 'msync')
    this.#call('msync', (task, mm) => (end > TASK_SIZE ? -ENOMEM : msync(task, mm, start, end, flags)))
  }

  /**
   * Grows, shrinks or moves a mapping and returns where it is then. What goes to a `fixed` place and keeps its length
   * may be several mappings, with holes between them; if one of them cannot be moved, those before it have been.
   * Errors: EINVAL, EFAULT (not mapped, not one mapping), ENOMEM (no room, beyond a limit or what may be committed),
   * EAGAIN (more than may be locked).
   */
  mremap(address: number, oldLength: number, newLength: number, given: RemapOptions = {}): number {
    const options = readOptions(given, 'mremap options', remapChecks)
    const start = pageOf(address, 'mremap')
    const oldPages = pagesOrNone(oldLength, 'mremap', 'oldLength')
    const newPages = pagesOf(newLength, 'mremap', 'newLength')
    let flags = options.mayMove === true ? MREMAP_MAYMOVE : 0
    if (options.dontUnmap === true) flags |= MREMAP_DONTUNMAP
    let target = 0
    if (options.fixed !== undefined) {
      flags |= MREMAP_FIXED
      target = pageOf(options.fixed, 'mremap', 'fixed')
    }
    const page = this.#call('mremap', (task, mm) =>
      mremap(task, mm, start, oldPages, newPages, flags, target),
    )
    return page * PAGE_SIZE
  }

  /**
   * Moves the end of the heap to `address` and returns where it is then: unchanged when that is not possible. Without
   * an address, only tells.
   */
  brk(address?: number): number {
    if (address !== undefined) checkAddress(address)
    return this.#run('brk', (task, mm) => {
      const start = startOfHeap(task, mm) * PAGE_SIZE
      const bytes = address === undefined ? -1 : address - start
      const possible = bytes >= 0 && bytes < 2 ** 32
      return start + (possible ? brk(task, mm, bytes) : heapBytes(task, mm))
    })
  }

  /** Says where the heap begins, as exec does; rounded up to a page. The heap is empty then. */
  setBrk(start: number): void {
    checkAddress(start, 'start')
    if (start <= 0 || start >= ADDRESS_LIMIT) rangeError('start', start, 'an address of a program')
    const page = Math.ceil(start / PAGE_SIZE)
    this.#run('setBrk', (task, mm) => setStartOfHeap(task, mm, page))
  }

  /**
   * Locks the range in memory and brings its pages in: they are not reclaimed until it is unlocked or unmapped. With
   * `onFault`, no page is brought in, but those that are there, or come by a fault, stay. The range is that of all
   * pages that it touches. Errors: EPERM (nothing may be locked), ENOMEM (more than may be locked; part of the range
   * is not mapped, allows no access, has a protection key or lies beyond the end of a file), EAGAIN (no memory for the
   * pages). After an error, part of the range may be locked.
   */
  mlock(address: number, length: number, options: { readonly onFault?: boolean } = {}): void {
    const { onFault = false } = readOptions(options, 'mlock options', lockChecks)
    const { start, end } = pagesTouched(address, length, 'mlock')
    this.#call('mlock', (task, mm) => mlock(task, mm, start, end, onFault))
  }

  /**
   * Pages of the range may be reclaimed again. Errors: ENOMEM (part of the range is not mapped: what is before it is).
   */
  munlock(address: number, length: number): void {
    const { start, end } = pagesTouched(address, length, 'munlock')
    this.#call('munlock', (task, mm) => munlock(task, mm, start, end))
  }

  /**
   * Locks what is mapped, what will be mapped, or both; replaces what it was told before. What cannot be brought in is
   * no error. Not inherited by fork. Errors: EINVAL (neither `current` nor `future`), EPERM (nothing may be locked),
   * ENOMEM (more is mapped than may be locked).
   */
  mlockall(given: LockAllOptions): void {
    const options = readOptions(given, 'mlockall options', lockAllChecks)
    let flags = options.current === true ? MCL_CURRENT : 0
    if (options.future === true) flags |= MCL_FUTURE
    if (options.onFault === true) flags |= MCL_ONFAULT
    this.#call('mlockall', (task, mm) => mlockall(task, mm, flags))
  }

  /** Unlocks what is mapped, and what will be. */
  munlockall(): void {
    this.#run('munlockall', (task, mm) => munlockall(task, mm))
  }

  /**
   * Sets a limit in bytes, Infinity for none, as setrlimit does. What is beyond it already stays. fork copies limits.
   * There are no hard limits. Errors: EINVAL for an unknown limit.
   */
  setLimit(limit: Limit, bytes: number): void {
    const resource = limitNumber(limit, 'setLimit')
    checkLimit(bytes, 'bytes')
    this.#run('setLimit', (task, mm) => {
      mmapWriteLock(task, mm)
      setLimitBytes(task, mm, resource, bytes)
      mmapWriteUnlock(task, mm)
    })
  }

  /** A limit in bytes; Infinity where there is none. Errors: EINVAL for an unknown limit. */
  getLimit(limit: Limit): number {
    const resource = limitNumber(limit, 'getLimit')
    return this.#run('getLimit', (task, mm) => {
      mmapReadLock(task, mm)
      const bytes = limitBytes(task, mm, resource)
      mmapReadUnlock(task, mm)
      return bytes
    })
  }

  /** How much is mapped, in bytes. */
  get mapped(): MappedSize {
    return this.#run('mapped', (task, mm) => {
      const { heap } = task
      mmapReadLock(task, mm)
      const sizeOf = (field: number): number => heap[mm + field]! * PAGE_SIZE
      const size: MappedSize = {
        total: sizeOf(Mm.totalVm),
        data: sizeOf(Mm.dataVm),
        stack: sizeOf(Mm.stackVm),
        executable: sizeOf(Mm.execVm),
        locked: sizeOf(Mm.lockedVm),
      }
      mmapReadUnlock(task, mm)
      return size
    })
  }

  /** All mappings in the order of their addresses, as /proc/self/maps shows them. */
  maps(): Mapping[] {
    const last = this.#run('maps', (task, mm) => {
      const { heap } = task
      // Linked, since the methods of an array may be anybody's.
      let found: { mapping: Mapping; before: typeof found } | null = null
      mmapReadLock(task, mm)
      for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!)
        found = { mapping: describe(heap, vma), before: found }
      mmapReadUnlock(task, mm)
      return found
    })
    const list: Mapping[] = []
    for (let each = last; each !== null; each = each.before) list.push(each.mapping)
    return list.reverse()
  }

  /**
   * For each page of the range, whether it is in memory, as mincore tells. Errors: EINVAL (misaligned), ENOMEM (not
   * mapped).
   */
  residentPages(address: number, length: number): boolean[] {
    const start = pageOf(address, 'residentPages')
    const pages = pagesOrNone(length, 'residentPages')
    const resident = allocateBytes(pages)
    this.#call('residentPages', (task, mm) => mincore(task, mm, start, start + pages, resident))
    return Array.from(resident, (value) => value === 1)
  }

  /** Resident pages by kind. Exact when no other thread is at work. */
  get rss(): { anonymous: number; file: number } {
    return this.#run('rss', (task, mm) => ({
      anonymous: getMmCounter(task, mm, MM_ANON_PAGES),
      file: getMmCounter(task, mm, MM_FILE_PAGES) + getMmCounter(task, mm, MM_SHMEM_PAGES),
    }))
  }

  /**
   * A copy of the address space, as fork makes one: private pages are shared until one side writes to them, which then
   * gets a copy; shared mappings stay shared; ranges advised 'dontfork' are missing and those advised 'wipeonfork' are
   * empty; nothing is locked in it. Other threads may go on working meanwhile. The copy is to be destroyed like any
   * other. Errors: OutOfMemory when the kernel heap is used up or no more may be committed. Takes time for each page
   * that is in memory, and none for its content.
   */
  fork(): AddressSpace {
    assureRoomForSteps()
    const child = this.#run('fork', (task, mm) => forkMm(task, mm))
    if (child === 0) throw new OutOfMemory('fork', 'the kernel heap is used up, or what may be committed')
    return AddressSpace.#of(this.#machine, child, numberAt(this.#task.heap, child + Mm.generation))
  }

  /**
   * Gives back every private page that is not locked in memory, as the OOM reaper does with a program that was chosen
   * to die, while other threads may still be at work in it: from then on a fault on such a page is a BusError, also
   * where nothing was. It cannot be undone; the address space is good for nothing but destroy(). Returns false, and has
   * done nothing, while another thread changes the layout.
   */
  reap(): boolean {
    return this.#run('reap', (task, mm) => oomReap(task, mm))
  }

  /**
   * Registers an observer of this address space: a secondary MMU, through which this thread reads and writes it. Waits
   * for writers of the layout and for a grace period, as registering does in Linux; copies on write of other threads
   * cost more as long as there is one. It ends with `unregister()`, or with the address space. A fork does not inherit
   * it. Errors: OutOfMemory when the kernel heap is used up.
   */
  registerNotifier(): MmuNotifier {
    assureRoomForSteps()
    const notifier = this.#run('registerNotifier', (task, mm) => registerMmuNotifier(task, mm))
    if (notifier < 0) throw new OutOfMemory('registerNotifier', 'the kernel heap is used up')
    return new MmuNotifier(OWN, this.#machine, notifier)
  }

  /** Unmaps everything and gives the address space up. No other thread may be using it. */
  destroy(): void {
    assureRoomForSteps()
    if (!this.#exists()) return
    this.#run('destroy', (task, mm) => destroyMm(task, mm))
    this.#joined = false
    this.#machine.spaces.delete(this.#generation)
  }

  /** This thread does not use the address space any more; it may come back by using it. */
  leave(): void {
    assureRoomForSteps()
    if (!this.#joined || !this.#exists()) return
    this.#machine.enter('leave', (task) => leaveMm(task, this.#mm))
    this.#joined = false
  }

  /** The thread has detached from the machine: whatever comes next has to join again, and will be refused. */
  forget(key: Own): void {
    assertOwn(key, 'space.forget', 'space.leave()')
    this.#joined = false
  }

  /** Has `observer` told what this thread meets; null to stop. Waits of other threads are not seen. */
  observe(observer: Observer | null): void {
    const report =
      observer === null ? undefined : readOptions(observer, 'observer', observerChecks).mmapLockWait
    this.#tellObserver()
    this.#task.tracepoints =
      report === undefined ? null : new LockWaits(this.#mm + Mm.mmapLock, report.bind(observer))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Accesses. Words are little-endian; an access that is not aligned may cross pages and is then not one instruction.

  /**
   * What an access of that kind to `address` does to the memory manager, without moving data. Returns 0 when it took
   * no fault, else the x86 error code of its first one, with TOUCH_SPECULATIVE set when its last one was handled
   * without the mmap lock.
   */
  touch(address: number, access: 'r' | 'w' | 'x'): number {
    checkChoice(access, 'access', accessKinds)
    this.#prepareByte(address, access)
    const task = this.#task
    let errorCode: number
    try {
      errorCode = touch(task, this.#mm, address, accessKinds[access])
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
    return errorCode !== 0 && task.lastFaultSpeculative ? errorCode | TOUCH_SPECULATIVE : errorCode
  }

  readUint8(address: number): number {
    this.#prepareByte(address, 'r')
    try {
      return loadUint8(this.#task, this.#mm, address)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  writeUint8(address: number, value: number): void {
    if (typeof value !== 'number' || (value & 0xff) !== value) checkUnsigned(value, 8)
    this.#prepareByte(address, 'w')
    try {
      storeUint8(this.#task, this.#mm, address, value)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  readUint16(address: number): number {
    this.#readScratch(address, this.#scratch2)
    return this.#scratchView.getUint16(0, true)
  }

  writeUint16(address: number, value: number): void {
    checkUnsigned(value, 16)
    this.#scratchView.setUint16(0, value, true)
    this.#writeScratch(address, this.#scratch2)
  }

  readUint32(address: number): number {
    if (typeof address !== 'number' || address % 4 !== 0) {
      this.#readScratch(address, this.#scratch4)
      return this.#scratchView.getUint32(0, true)
    }
    this.#prepare(address, 'r')
    try {
      return loadAlignedInt32(this.#task, this.#mm, address) >>> 0
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  writeUint32(address: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) checkUnsigned(value, 32)
    if (typeof address !== 'number' || address % 4 !== 0) {
      this.#scratchView.setUint32(0, value, true)
      this.#writeScratch(address, this.#scratch4)
      return
    }
    this.#prepare(address, 'w')
    try {
      storeAlignedInt32(this.#task, this.#mm, address, value | 0)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  readBigUint64(address: number): bigint {
    this.#readScratch(address, this.#scratch8)
    return this.#scratchView.getBigUint64(0, true)
  }

  writeBigUint64(address: number, value: bigint): void {
    checkBigUint64(value)
    this.#scratchView.setBigUint64(0, value, true)
    this.#writeScratch(address, this.#scratch8)
  }

  readFloat64(address: number): number {
    this.#readScratch(address, this.#scratch8)
    return this.#scratchView.getFloat64(0, true)
  }

  /** Any number, with NaN and the infinities. */
  writeFloat64(address: number, value: number): void {
    checkNumber(value)
    this.#scratchView.setFloat64(0, value, true)
    this.#writeScratch(address, this.#scratch8)
  }

  /** Atomic compare-and-swap of the word at `address`, a multiple of four. Returns what was there. */
  compareExchangeUint32(address: number, expected: number, value: number): number {
    if (typeof expected !== 'number' || expected >>> 0 !== expected) checkUnsigned(expected, 32, 'expected')
    if (typeof value !== 'number' || value >>> 0 !== value) checkUnsigned(value, 32)
    this.#prepareAtomic(address)
    try {
      return compareExchangeInt32(this.#task, this.#mm, address, expected | 0, value | 0) >>> 0
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  /**
   * Atomic addition, modulo 2^32, to the word at `address`, a multiple of four. `value` may be negative, from -2^31 on.
   * Returns what was there.
   */
  addUint32(address: number, value: number): number {
    if (typeof value !== 'number' || value >>> 0 !== value) checkAddend(value)
    this.#prepareAtomic(address)
    try {
      return addInt32(this.#task, this.#mm, address, value | 0) >>> 0
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  /** A copy of `length` bytes from `address`. */
  read(address: number, length: number): Uint8Array {
    this.#prepareRange(address, length, 'r')
    const bytes = allocateBytes(length)
    this.#readBytes(address, bytes, length, false)
    return bytes
  }

  /** Reads `target.length` bytes from `address`. When a page fails, what comes before it has been read. */
  readInto(address: number, target: Uint8Array): void {
    const bytes = plainBytes(target, 'target')
    const { length } = bytes
    this.#prepareRange(address, length, 'r')
    if (this.#readBytes(address, bytes, length, true) !== length) goneInCall('target')
  }

  /** Writes `bytes` to `address`. When a page fails, what comes before it has been written. */
  write(address: number, bytes: Uint8Array): void {
    const plain = plainBytes(bytes, 'bytes')
    const { length } = plain
    this.#prepareRange(address, length, 'w')
    if (this.#writeBytes(address, plain, length) !== length) goneInCall('bytes')
  }

  /**
   * Fills `length` bytes from `address` with `byte`, 0 to 255. When a page fails, what comes before it has been filled.
   */
  fill(address: number, length: number, byte: number): void {
    checkUnsigned(byte, 8, 'byte')
    this.#prepareRange(address, length, 'w')
    try {
      fillBytes(this.#task, this.#mm, address, length, byte)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** @param theirs whether code of the caller can take the array away */
  #readBytes(address: number, target: Uint8Array, length: number, theirs: boolean): number {
    try {
      return readBytes(this.#task, this.#mm, address, target, length, theirs)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  #writeBytes(address: number, bytes: Uint8Array, length: number): number {
    try {
      return writeBytes(this.#task, this.#mm, address, bytes, length)
    } catch (error) {
      throw this.#machine.failed(error, 'access')
    }
  }

  #readScratch(address: number, scratch: Uint8Array): void {
    this.#prepareRange(address, scratch.length, 'r')
    this.#readBytes(address, scratch, scratch.length, false)
  }

  /** One store writes all or nothing, so that both of its pages must be writable before it begins. */
  #writeScratch(address: number, scratch: Uint8Array): void {
    const { length } = scratch
    this.#prepareRange(address, length, 'w')
    const last = address + length - 1
    if ((address % PAGE_SIZE) + length > PAGE_SIZE) {
      this.touch(address, 'w')
      this.touch(last - (last % PAGE_SIZE), 'w')
    }
    this.#writeBytes(address, scratch, length)
  }

  /** Runs a call and turns a negative errno into an error. */
  #call(call: string, body: (task: Task, mm: number) => number): number {
    return checkResult(this.#run(call, body), call)
  }

  #run<T>(call: string, body: (task: Task, mm: number) => T): T {
    if (!this.#joined || !this.#exists()) this.#join()
    const result = this.#machine.enter(call, (task) => body(task, this.#mm))
    if (this.#task.tracepoints !== null) this.#tellObserver()
    return result
  }

  #tellObserver(): void {
    const { tracepoints } = this.#task
    if (tracepoints instanceof LockWaits) tracepoints.tell()
  }

  #join(): void {
    if (!this.#exists()) AddressSpace.#gone()
    this.#machine.enter('join', (task) => joinMm(task, this.#mm))
    this.#joined = true
  }

  /** False when the address space was destroyed, by whichever thread. */
  #exists(): boolean {
    const { heap } = this.#task
    // Plain reads, since every access asks. The words of a number change only when the address space is made or gone.
    return (
      heap[this.#mm + Mm.generation] === this.#generationLow &&
      heap[this.#mm + Mm.generationHigh] === this.#generationHigh
    )
  }

  static #gone(): never {
    throw new MemoryError('ESRCH', 'address space', 'there is none, or it was destroyed')
  }

  /** @param address a multiple of something, if it is a number */
  #prepare(address: number, access: 'r' | 'w' | 'x'): void {
    assureStackRoom()
    if (!this.#joined || !this.#exists()) this.#join()
    if (typeof address !== 'number' || !(address >= 0 && address < ADDRESS_LIMIT))
      this.#badAddress(address, access)
  }

  /** For an address that need not be aligned. */
  #prepareByte(address: number, access: 'r' | 'w' | 'x'): void {
    if (!Number.isInteger(address)) checkAddress(address)
    this.#prepare(address, access)
  }

  #prepareAtomic(address: number): void {
    if (typeof address !== 'number' || address % 4 !== 0) {
      checkAddress(address)
      rangeError('address', address, 'a multiple of four, as an atomic access needs it')
    }
    this.#prepare(address, 'w')
  }

  #prepareRange(address: number, length: number, access: 'r' | 'w'): void {
    if (!Number.isInteger(address)) checkAddress(address)
    if (!Number.isInteger(length) || length < 0) checkBytes(length, 'length')
    if (length > 0) this.#prepare(address, access)
    if (address + length > ADDRESS_LIMIT) this.#badAddress(ADDRESS_LIMIT, access)
  }

  #badAddress(address: number, access: 'r' | 'w' | 'x'): never {
    checkAddress(address)
    throw new SegmentationFault('SEGV_MAPERR', address, this.#machine.cpu, access)
  }
}

const EINVAL = 22
const ENOMEM = 12

function describe(heap: Int32Array, vma: number): Mapping {
  const vmFlags = heap[vma + Vma.vmFlags]!
  const file = heap[vma + Vma.vmFile]!
  return {
    start: heap[vma + Vma.vmStart]! * PAGE_SIZE,
    end: heap[vma + Vma.vmEnd]! * PAGE_SIZE,
    protection: protectionName(vmFlags),
    shared: (vmFlags & VM_SHARED) !== 0,
    offset: file === 0 ? 0 : heap[vma + Vma.vmPgoff]! * PAGE_SIZE,
    file,
    growsDown: (vmFlags & VM_GROWSDOWN) !== 0,
  }
}

function limitNumber(limit: Limit, call: string): number {
  checkString(limit, 'limit')
  if (!Object.hasOwn(limitNumbers, limit))
    throw new MemoryError('EINVAL', call, `limit: there is no '${String(limit)}'`)
  return limitNumbers[limit]
}
