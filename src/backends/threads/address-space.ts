// An address space, as one thread sees it: the system calls and the accesses of a program.
//
// Addresses and lengths are in bytes, addresses below 2^43. Calls have the names, the rules and the errors of Linux;
// what a system call would return as an errno is thrown as MemoryError.

import {
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
  Mm,
  PAGE_SIZE,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
  TASK_SIZE,
  type Task,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_SHARED,
  VM_WRITE,
  Vma,
  brk,
  createMm,
  destroyMm,
  finishSync,
  forkMm,
  getMmCounter,
  heapBytes,
  isMm,
  leaveMm,
  limitBytes,
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
  setLimitBytes,
  registerMmuNotifier,
  requestSync,
  setStartOfHeap,
  startOfHeap,
} from '../../kernel/index.ts'
import {
  type Advice,
  type Limit,
  type AddressSpaceOptions,
  type MapOptions,
  type LockAllOptions,
  type MappedSize,
  type RemapOptions,
  type Mapping,
  type Observer,
  msyncFlags,
  mapChecks,
  remapChecks,
  lockChecks,
  observerChecks,
  lockAllChecks,
  spaceChecks,
  limitNumber,
} from './address-space-options.ts'
import { allocateBytes, checkAddress, checkLimit, checkString, rangeError, readOptions } from './arguments.ts'
import { byFlusher } from './async-sync.ts'
import { AtomicAccess } from './atomic-access.ts'
import { OWN, type Own, assertOwn } from './construction.ts'
import { MemoryError, OutOfMemory, checkResult } from './errors.ts'
import { type MachineHandle, readPlace } from './handles.ts'
import { Heap, type HeapOptions } from './heap.ts'
import { inspected } from './inspected.ts'
import { LockWaits } from './lock-waits.ts'
import { MachineFile } from './machine-file.ts'
import { MachineThread } from './machine-thread.ts'
import { ADDRESS_LIMIT, gone } from './memory-access.ts'
import { MmuNotifier } from './mmu-notifier.ts'
import { beyond, misaligned, pageOf, pagesOf, pagesOrNone, pagesTouched } from './page-ranges.ts'
import { type Protection, checkProtection, protectionFlags, protectionName } from './protection.ts'
import { Snapshot } from './snapshot.ts'
import { assureRoomForSteps } from './stack-room.ts'

/** What another thread needs to use the address space. Can be cloned. */
export interface AddressSpaceHandle {
  readonly kind: 'faultline-space'
  readonly machine: MachineHandle
  readonly mm: number
  readonly generation: number
}

/** How many address spaces a thread remembers at least before it looks which of them are gone. */
const SPACES_BEFORE_SWEEP = 8
/** The number from which on it looks the next time. */
const sweepSizes = new WeakMap<object, number>()
const known = new WeakMap<MachineThread, Map<number, AddressSpace>>()

/** The address spaces that a thread has met, by their generation. */
export function spacesOf(thread: MachineThread): Map<number, AddressSpace> {
  let spaces = known.get(thread)
  if (spaces === undefined) {
    spaces = forgottenAtDetach(thread, new Map())
    known.set(thread, spaces)
  }
  return spaces
}

let forgottenAtDetach: (thread: MachineThread, spaces: Map<number, AddressSpace>) => typeof spaces

export class AddressSpace extends AtomicAccess {
  /** For Machine.createAddressSpace(). */
  static create(thread: MachineThread, given: AddressSpaceOptions): AddressSpace {
    MachineThread.check(thread)
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
    const mm = thread.enter('createAddressSpace', (task) => createMm(task, maxMapCount, stackLimit))
    if (mm === 0) throw new OutOfMemory('createAddressSpace', 'the kernel heap is used up')
    const space = AddressSpace.#of(thread, mm, numberAt(thread.task.heap, mm + Mm.generation))
    space.#made = true
    for (const [resource, bytes] of limits)
      thread.enter('createAddressSpace', (task) => setLimitBytes(task, mm, resource, bytes))
    return space
  }

  /**
   * The same address space in another thread, which gets attached to its machine. Errors: ESRCH (there is none: it was
   * destroyed), and those of Machine.attach(), also for what is no handle of an address space.
   */
  static attach(handle: AddressSpaceHandle): AddressSpace {
    const place = readPlace(handle, 'faultline-space', 'an address space', 'mm')
    const { pointer: mm, generation } = place
    const thread = MachineThread.attach(place.machine)
    const present = spacesOf(thread).get(generation)
    if (present !== undefined && present.#mm === mm) return present
    if (present !== undefined && present.#exists())
      rangeError('handle.mm', mm, `where the address space ${generation} is`, 'ERR_INVALID_ARG_VALUE')
    if (!thread.enter('attach', (task) => isMm(task, mm, generation))) gone()
    return AddressSpace.#of(thread, mm, generation)
  }

  /** A thread has one object for each address space, since it joins it once and leaves it once. */
  static #of(thread: MachineThread, mm: number, generation: number): AddressSpace {
    const spaces = spacesOf(thread)
    const present = spaces.get(generation)
    if (present !== undefined) return present
    const space = new AddressSpace(OWN, thread, mm, generation)
    AddressSpace.#sweep(spaces)
    spaces.set(generation, space)
    return space
  }

  /**
   * Forgets address spaces that other threads have destroyed: their number is never more than twice that of those that
   * there are, and what it costs is in proportion to those that were made.
   */
  static #sweep(spaces: Map<number, AddressSpace>): void {
    if (spaces.size < (sweepSizes.get(spaces) ?? SPACES_BEFORE_SWEEP)) return
    for (const [generation, space] of spaces) if (!space.#exists()) spaces.delete(generation)
    sweepSizes.set(spaces, Math.max(SPACES_BEFORE_SWEEP, 2 * spaces.size))
  }

  static {
    // Whatever comes after has to join again, and will be refused.
    forgottenAtDetach = (thread, spaces) => {
      thread.onDetach(() => {
        for (const space of spaces.values()) space.#forget()
      })
      return spaces
    }
  }

  readonly #thread: MachineThread
  readonly #mm: number
  /** Which address space it was that lives at this place of the heap. */
  readonly #generation: number
  /** Whether this thread has made it. */
  #made = false
  /** Those that this thread has opened, by their addresses. */
  readonly #heaps = new Map<number, Heap>()

  private constructor(key: Own, thread: MachineThread, mm: number, generation: number) {
    assertOwn(key, 'AddressSpace', 'machine.createAddressSpace() or AddressSpace.attach()')
    super(thread, mm, generation)
    this.#thread = thread
    this.#mm = mm
    this.#generation = generation
  }

  get machine(): MachineThread['machine'] {
    return this.#thread.machine
  }

  get handle(): AddressSpaceHandle {
    return {
      kind: 'faultline-space',
      machine: this.#thread.handle,
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
   * replace stays where the call fails. `contiguous`: EINVAL (of a file or shared memory), ENOMEM (no run of free
   * frames); what it was to replace is gone then.
   */
  mmap(length: number, given: MapOptions = {}): number {
    const options = readOptions(given, 'mmap options', mapChecks)
    const { address = 0, offset = 0, fixed = false, file } = options
    const mapped = file === undefined ? null : MachineFile.forMapping(file, this.#thread)
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
    if (options.contiguous === true) this.#makeContiguous(page * PAGE_SIZE, pages * PAGE_SIZE, vmFlags)
    return page * PAGE_SIZE
  }

  /** Of a new mapping, which is gone where that cannot be. */
  #makeContiguous(address: number, length: number, vmFlags: number): void {
    try {
      super.makeContiguous('mmap', address, length, (vmFlags & VM_WRITE) === 0 ? 'r' : 'rw')
    } catch (error) {
      this.munmap(address, length)
      throw error
    }
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
   * is safe on disk; 'async' has the thread that writes files back begin with it, where the machine has one, and else
   * leaves it to a later call, as Linux does. 'invalidate' has nothing to do, since there is one page cache. Errors:
   * EINVAL (misaligned), ENOMEM (part of the range is not mapped; the rest is written), EBUSY ('invalidate' of locked
   * memory), and those of the disk, told once as DiskFile.sync() tells them.
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
   * msync, by the thread that writes files back (`writeback`, docs/files.md): this one goes on meanwhile. When the
   * promise is fulfilled, what was written to the range before the call is on disk. Without such a thread, this one
   * does it. Errors: those of msync, as rejections but for arguments.
   */
  msyncAsync(address: number, length: number): Promise<void> {
    const start = pageOf(address, 'msync')
    const end = start + pagesOrNone(length, 'msync')
    return this.#msyncAsync(start, end)
  }

  async #msyncAsync(start: number, end: number): Promise<void> {
    if (end > TASK_SIZE) checkResult(-ENOMEM, 'msync')
    const request = (): number => this.#run('msync', (task, mm) => requestSync(task, mm, start, end))
    const done = await byFlusher(this.#thread, request)
    this.#call('msync', (task, mm) =>
      done ? finishSync(task, mm) : msync(task, mm, start, end, msyncFlags.sync),
    )
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
    const space = AddressSpace.#of(
      this.#thread,
      child,
      numberAt(this.#thread.task.heap, child + Mm.generation),
    )
    space.#made = true
    return space
  }

  /**
   * What private memory is at this moment, to be read while threads go on: a fork, of the same cost and errors. Shared
   * mappings show what they are when they are read.
   */
  snapshot(): Snapshot {
    return Snapshot.of(this.fork())
  }

  /**
   * A heap in private memory of this address space. Other threads open it by its `address`; a fork has one of its own
   * there. Errors: those of mmap and of an access, RangeError for a size that cannot be.
   */
  createHeap(options: HeapOptions = {}): Heap {
    assureRoomForSteps()
    const heap = Heap.create(this, this.#thread.ofHeap(), options)
    this.#heaps.set(heap.address, heap)
    return heap
  }

  /** The heap at `address`, which a thread has made here, or before a fork. Errors: RangeError where there is none. */
  openHeap(address: number): Heap {
    assureRoomForSteps()
    // A thread has one object for each heap, since it takes blocks without asking what another of its objects has done.
    const present = this.#heaps.get(address)
    if (present?.isThere === true) return present
    const heap = Heap.open(this, this.#thread.ofHeap(), address)
    this.#heaps.set(address, heap)
    return heap
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
    return new MmuNotifier(OWN, this.#thread, notifier)
  }

  /** Unmaps everything and gives the address space up. No other thread may be using it. */
  destroy(): void {
    assureRoomForSteps()
    if (!this.#exists()) return
    this.#run('destroy', (task, mm) => destroyMm(task, mm))
    super.markLeft()
    spacesOf(this.#thread).delete(this.#generation)
  }

  /** This thread does not use the address space any more; it may come back by using it. */
  leave(): void {
    assureRoomForSteps()
    if (!super.joined || !this.#exists()) return
    this.#thread.enter('leave', (task) => leaveMm(task, this.#mm))
    super.markLeft()
  }

  /** For `using`: {@link destroy} where this thread has made or forked it, else {@link leave}. */
  [Symbol.dispose](): void {
    if (this.#made) this.destroy()
    else this.leave()
  }

  [inspected](): string {
    return `AddressSpace (${this.#generation})`
  }

  /** Has `observer` told what this thread meets; null to stop. Waits of other threads are not seen. */
  observe(observer: Observer | null): void {
    const report =
      observer === null ? undefined : readOptions(observer, 'observer', observerChecks).mmapLockWait
    this.#tellObserver()
    this.#thread.task.tracepoints =
      report === undefined ? null : new LockWaits(this.#mm + Mm.mmapLock, report.bind(observer))
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Runs a call and turns a negative errno into an error. */
  #call(call: string, body: (task: Task, mm: number) => number): number {
    return checkResult(this.#run(call, body), call)
  }

  #run<T>(call: string, body: (task: Task, mm: number) => T): T {
    super.join()
    const result = this.#thread.enter(call, (task) => body(task, this.#mm))
    if (this.#thread.task.tracepoints !== null) this.#tellObserver()
    return result
  }

  #tellObserver(): void {
    const { tracepoints } = this.#thread.task
    if (tracepoints instanceof LockWaits) tracepoints.tell()
  }

  #forget(): void {
    super.markLeft()
  }

  /** False when the address space was destroyed, by whichever thread. */
  #exists(): boolean {
    return numberAt(this.#thread.task.heap, this.#mm + Mm.generation) === this.#generation
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
