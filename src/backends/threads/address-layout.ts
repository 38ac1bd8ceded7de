// The layout of an address space, as one thread sees it: which addresses are mapped, how, and what of it is in memory.

import {
  Header,
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
  OVERCOMMIT_GUESS,
  PAGE_SIZE,
  TASK_SIZE,
  type Task,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_NO_MAYWRITE,
  VM_SHARED,
  VM_WRITE,
  Vma,
  brk,
  getMmCounter,
  heapBytes,
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
  munlock,
  munlockall,
  munmap,
  setLimitBytes,
  setStartOfHeap,
  startOfHeap,
} from '../../kernel/index.ts'
import {
  type Advice,
  type Limit,
  type LockAllOptions,
  type MapOptions,
  type MappedSize,
  type Mapping,
  type Observer,
  type RemapOptions,
  limitNumber,
  lockAllChecks,
  lockChecks,
  mapChecks,
  observerChecks,
  remapChecks,
} from './address-space-options.ts'
import { allocateBytes, checkAddress, checkChoice, rangeError, readOptions } from './arguments.ts'
import { AtomicAccess } from './atomic-access.ts'
import { MemoryError, checkResult } from './errors.ts'
import { LockWaits } from './lock-waits.ts'
import { MachineFile } from './machine-file.ts'
import type { MachineThread } from './machine-thread.ts'
import { ADDRESS_LIMIT } from './memory-access.ts'
import { beyond, misaligned, pageOf, pagesOf, pagesOrNone, pagesTouched } from './page-ranges.ts'
import { type Protection, checkProtection, protectionFlags, protectionName } from './protection.ts'
import { type Size, bytesOfLimit } from './size.ts'

export class AddressLayout extends AtomicAccess {
  readonly #thread: MachineThread
  readonly #mm: number

  protected constructor(thread: MachineThread, mm: number, generation: number) {
    super(thread, mm, generation)
    this.#thread = thread
    this.#mm = mm
  }

  /**
   * Maps `length` bytes, rounded up to whole pages, and returns where. Errors: EINVAL (zero length, misaligned offset
   * or fixed address, a shared stack), ENOMEM (no room, too many mappings, beyond a limit or what may be committed),
   * EEXIST (`noreplace`), EPERM (below 64 KiB; `locked` where nothing may be), EAGAIN (more than may be locked),
   * EOVERFLOW, EACCES (shared and writable, of a file that was opened for reading only). What a `fixed` mapping was to
   * replace stays where the call fails. `contiguous`: EINVAL (of a file or shared memory), ENOMEM (no run of free
   * frames); what it was to replace is gone then.
   */
  mmap(length: Size, given: MapOptions = {}): number {
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
    if (options.stack === true) vmFlags |= VM_NOHUGEPAGE
    if (options.locked === true) vmFlags |= VM_LOCKED
    let mapFlags = options.populate === true ? MAP_POPULATE : 0
    if (fixed === 'noreplace') mapFlags |= MAP_FIXED_NOREPLACE
    else if (fixed) mapFlags |= MAP_FIXED
    const body = (task: Task, mm: number): number => {
      const map = (_: Task, pointer: number): number =>
        mmap(task, mm, hint, pages, vmFlags, mapFlags, pointer, offset / PAGE_SIZE)
      return mapped === null ? map(task, 0) : mapped.use(task, map)
    }
    const page = this.#call('mmap', body, pages * PAGE_SIZE)
    if (options.contiguous === true) this.#makeContiguous(page * PAGE_SIZE, pages * PAGE_SIZE, vmFlags)
    return page * PAGE_SIZE
  }

  /** Brings the pages of a new mapping in; unmaps it again if that fails. */
  #makeContiguous(address: number, length: number, vmFlags: number): void {
    try {
      super.makeContiguous('mmap', address, length, (vmFlags & VM_WRITE) === 0 ? 'r' : 'rw')
    } catch (error) {
      this.munmap(address, length)
      throw error
    }
  }

  /**
   * Unmaps all mappings in the range. Errors: EINVAL (misaligned, empty, out of range), ENOMEM (a split would exceed
   * maxMapCount).
   */
  munmap(address: number, length: Size): void {
    const start = pageOf(address, 'munmap')
    const end = start + pagesOf(length, 'munmap')
    this.#call('munmap', (task, mm) => (end > TASK_SIZE ? -EINVAL : munmap(task, mm, start, end)))
  }

  /**
   * Changes the protection. Errors: EINVAL (misaligned), ENOMEM (part of the range is not mapped, or may not become
   * writable for the limit of data or what may be committed), EACCES (writing to a shared mapping of a file that was
   * opened for reading only). What is before that part has changed.
   */
  mprotect(address: number, length: Size, protection: Protection): void {
    const start = pageOf(address, 'mprotect')
    checkProtection(protection, 'protection')
    const access = protectionFlags(protection)
    const end = start + pagesOrNone(length, 'mprotect')
    this.#call('mprotect', (task, mm) => (end > TASK_SIZE ? -ENOMEM : mprotect(task, mm, start, end, access)))
  }

  /**
   * Advises. Errors: EINVAL (misaligned; 'free' of anything but private anonymous memory; 'dontneed',
   * 'free', 'cold' and 'pageout' of locked memory), ENOMEM (part of the range is not mapped; the advice is taken for
   * the rest), EAGAIN (a split would exceed maxMapCount, or there is no memory for it).
   */
  madvise(address: number, length: Size, advice: Advice): void {
    const start = pageOf(address, 'madvise')
    checkChoice(advice, 'advice', MADV)
    const end = start + pagesOrNone(length, 'madvise')
    this.#call('madvise', (task, mm) => madvise(task, mm, start, end, MADV[advice]))
  }

  /**
   * Grows, shrinks or moves a mapping and returns where it is then. What goes to a `fixed` place and keeps its length
   * may be several mappings, with holes between them; if one of them cannot be moved, those before it have been.
   * Errors: EINVAL, EFAULT (not mapped, not one mapping), ENOMEM (no room, beyond a limit or what may be committed),
   * EAGAIN (more than may be locked).
   */
  mremap(address: number, oldLength: Size, newLength: Size, given: RemapOptions = {}): number {
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
   * Moves the end of the heap to `address` and returns the end: the old one if that is not possible. Without an
   * address, it only returns it.
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

  /** Sets the start of the heap, as exec does, rounded up to a page, and empties the heap. */
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
  mlock(address: number, length: Size, options: { readonly onFault?: boolean } = {}): void {
    const { onFault = false } = readOptions(options, 'mlock options', lockChecks)
    const { start, end } = pagesTouched(address, length, 'mlock')
    this.#call('mlock', (task, mm) => mlock(task, mm, start, end, onFault))
  }

  /**
   * Pages of the range may be reclaimed again. Errors: ENOMEM (part of the range is not mapped: what is before it is).
   */
  munlock(address: number, length: Size): void {
    const { start, end } = pagesTouched(address, length, 'munlock')
    this.#call('munlock', (task, mm) => munlock(task, mm, start, end))
  }

  /**
   * Locks what is mapped, what will be mapped, or both; replaces earlier calls. A page that cannot be brought in is no
   * error. Not inherited by fork. Errors: EINVAL (neither `current` nor `future`), EPERM (nothing may be locked),
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
   * Sets a limit in bytes, Infinity for none, as setrlimit does. Mappings that exceed it already stay. fork copies
   * limits. There are no hard limits.
   */
  setLimit(limit: Limit, bytes: Size): void {
    const resource = limitNumber(limit)
    const wanted = bytesOfLimit(bytes, 'bytes')
    this.#run('setLimit', (task, mm) => {
      mmapWriteLock(task, mm)
      setLimitBytes(task, mm, resource, wanted)
      mmapWriteUnlock(task, mm)
    })
  }

  /** A limit in bytes; Infinity where there is none. */
  getLimit(limit: Limit): number {
    const resource = limitNumber(limit)
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
      // A linked list, since a program may have replaced the methods of arrays.
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
  residentPages(address: number, length: Size): boolean[] {
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
   * Reports this thread's waits for the mmap lock to `observer`; null to stop. It does not report waits of other
   * threads.
   */
  observe(observer: Observer | null): void {
    const report =
      observer === null ? undefined : readOptions(observer, 'observer', observerChecks).mmapLockWait
    this.#tellObserver()
    this.#thread.task.tracepoints =
      report === undefined ? null : new LockWaits(this.#mm + Mm.mmapLock, report.bind(observer))
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Runs a call and turns a negative errno into an error. */
  protected callKernel(call: string, body: (task: Task, mm: number) => number): number {
    return this.#call(call, body)
  }

  protected runInKernel<T>(call: string, body: (task: Task, mm: number) => T): T {
    return this.#run(call, body)
  }

  /** `length` is the length that the call was given, for the error. */
  #call(call: string, body: (task: Task, mm: number) => number, length?: number): number {
    const result = this.#run(call, body)
    if (result >= 0) return result
    if (result === -EACCES) return checkResult(result, call, READ_ONLY)
    if (length === undefined) return checkResult(result, call)
    return checkResult(result, call, `length: ${length} bytes${this.#beyondMachine(result, length)}`)
  }

  /** Why a call for so many bytes has failed, if it is for their number alone (vmEnoughMemory). */
  #beyondMachine(result: number, length: number): string {
    const most = this.#mostAtOnce()
    if (result !== -ENOMEM) return ''
    return length > most && length <= Math.min(this.getLimit('as'), this.getLimit('data'))
      ? `, of which memory and swap have ${most}; with noReserve, they need not hold all of it`
      : ''
  }

  /** Why a fork has failed, as far as it can be told. */
  protected whyNoFork(): string {
    const most = this.#mostAtOnce()
    const [start, length] = this.#run('maps', (task, mm) => {
      const { heap } = task
      let found = [0, 0]
      mmapReadLock(task, mm)
      for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
        const { start: from, end } = describe(heap, vma)
        const isCommitted = (heap[vma + Vma.vmFlags]! & VM_ACCOUNT) !== 0
        if (isCommitted && end - from > most) found = [from, end - from]
      }
      mmapReadUnlock(task, mm)
      return found
    }) as [number, number]
    return length === 0
      ? 'the kernel heap is used up, or what may be committed; or pages have been reaped'
      : `the mapping at 0x${start.toString(16)} has ${length} bytes, of which memory and swap have ${most}`
  }

  /** The most bytes that one call may commit. */
  #mostAtOnce(): number {
    const { heap } = this.#thread.task
    if (heap[Header.overcommitMemory] !== OVERCOMMIT_GUESS) return Infinity
    return (heap[Header.frameCount]! + Atomics.load(heap, Header.swapSlots)) * PAGE_SIZE
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
}

const EINVAL = 22
const ENOMEM = 12
const EACCES = 13
const READ_ONLY =
  "the file is open for reading only, so what is shared of it is as well: protection 'r', or openFile with mode 'r+'"

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
