// An address space, as one thread sees it: its life, the accesses of a program, and its system calls, of which those of
// the layout are in address-layout.ts.
//
// Addresses and lengths are in bytes, addresses below 2^43. Calls have the names, the rules and the errors of Linux;
// what a system call would return as an errno is thrown as MemoryError.

import {
  CHANGED_PAGES_MAX,
  DEFAULT_MAX_MAP_COUNT,
  DEFAULT_STACK_LIMIT,
  Mm,
  PAGE_SIZE,
  RLIMIT_AS,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
  TASK_SIZE,
  changedPages,
  createMm,
  destroyMm,
  finishSync,
  forkMm,
  isMm,
  leaveMm,
  msync,
  numberAt,
  oomReap,
  setLimitBytes,
  registerMmuNotifier,
  requestSync,
} from '../../kernel/index.ts'
import { type AddressSpaceOptions, msyncFlags, spaceChecks } from './address-space-options.ts'
import { checkChoice, rangeError, readOptions } from './arguments.ts'
import { AddressLayout } from './address-layout.ts'
import { byFlusher } from './async-sync.ts'
import { OWN, type Own, assertOwn, keepInThread } from './construction.ts'
import { OutOfMemory, checkResult } from './errors.ts'
import { type MachineHandle, readPlace } from './handles.ts'
import { Heap, type HeapOptions } from './heap.ts'
import { inspected } from './inspected.ts'
import { MachineThread } from './machine-thread.ts'
import { gone } from './memory-access.ts'
import { MmuNotifier } from './mmu-notifier.ts'
import { OwnBytes } from './own-arrays.ts'
import { pageOf, pagesOrNone } from './page-ranges.ts'
import { type Size, bytesOf, bytesOfLimit } from './size.ts'
import { Snapshot, type SnapshotRange } from './snapshot.ts'
import { assureRoomForSteps } from './stack-room.ts'

/** What another thread needs to use the address space. Can be cloned. */
export interface AddressSpaceHandle {
  readonly kind: 'faultline-space'
  readonly machine: MachineHandle
  readonly mm: number
  readonly generation: number
}

/** The least number of remembered address spaces at which a thread looks which of them are destroyed. */
const SPACES_BEFORE_SWEEP = 8
/** The number at which it looks the next time. */
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

/**
 * An address space, as one thread sees it: what mm_struct is in Linux. Addresses and lengths are in bytes,
 * addresses below ADDRESS_LIMIT. Its calls have the names, the rules and the errors of Linux; what would be an
 * errno there is thrown as MemoryError.
 */
export class AddressSpace extends AddressLayout {
  /** @internal For Machine.createAddressSpace(). */
  static create(thread: MachineThread, given: AddressSpaceOptions): AddressSpace {
    MachineThread.check(thread)
    assureRoomForSteps()
    const options = readOptions(given, 'createAddressSpace options', spaceChecks)
    const maxMapCount = options.maxMapCount ?? DEFAULT_MAX_MAP_COUNT
    const stackBytes = bytesOf(options.stackLimit ?? DEFAULT_STACK_LIMIT * PAGE_SIZE, 'stackLimit')
    const stackLimit = Math.floor(stackBytes / PAGE_SIZE)
    const limits: [resource: number, bytes: number][] = [[RLIMIT_STACK, stackBytes]]
    for (const [resource, bytes] of [
      [RLIMIT_AS, options.asLimit],
      [RLIMIT_DATA, options.dataLimit],
      [RLIMIT_MEMLOCK, options.memlockLimit],
    ] as const) {
      if (bytes !== undefined) limits.push([resource, bytesOfLimit(bytes, 'limit')])
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
   * The same address space in another thread, which gets attached to its machine. Errors: ESRCH (it was destroyed), and
   * those of Machine.attach(), also for anything but a handle of an address space.
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
   * Forgets address spaces that other threads have destroyed: a thread never remembers more than twice as many as there
   * are, and the cost is proportional to the number that were created.
   */
  static #sweep(spaces: Map<number, AddressSpace>): void {
    if (spaces.size < (sweepSizes.get(spaces) ?? SPACES_BEFORE_SWEEP)) return
    for (const [generation, space] of spaces) if (!space.#exists()) spaces.delete(generation)
    sweepSizes.set(spaces, Math.max(SPACES_BEFORE_SWEEP, 2 * spaces.size))
  }

  static {
    // Every later access must join again, and will be refused.
    forgottenAtDetach = (thread, spaces) => {
      thread.onDetach(() => {
        for (const space of spaces.values()) space.#forget()
      })
      return spaces
    }
  }

  readonly #thread: MachineThread
  readonly #mm: number
  /** The number of the address space: another may live at the same place of the heap later. */
  readonly #generation: number
  /** Whether this thread has made it. */
  #made = false
  /** Those that this thread has opened, by their addresses. */
  readonly #heaps = new Map<number, Heap>()

  private constructor(key: Own, thread: MachineThread, mm: number, generation: number) {
    assertOwn(key, 'AddressSpace', 'machine.createAddressSpace() or AddressSpace.attach()')
    super(thread, mm, generation)
    this.#thread = thread
    keepInThread(this)
    this.#mm = mm
    this.#generation = generation
  }

  /** The machine of the address space, as this thread has it. */
  get machine(): MachineThread['machine'] {
    return this.#thread.machine
  }

  /** For a thread that is to use the address space: AddressSpace.attach() takes it. */
  get handle(): AddressSpaceHandle {
    return {
      kind: 'faultline-space',
      machine: this.#thread.handle,
      mm: this.#mm,
      generation: this.#generation,
    }
  }

  /**
   * Writes back what any thread has written to the shared file mappings of the range. 'sync' returns when it is safe on
   * disk; 'async' makes the thread that writes files back begin with it, if the machine has one, and else leaves it to
   * a later call, as Linux does. 'invalidate' does nothing, since there is one page cache. Errors: EINVAL (misaligned),
   * ENOMEM (part of the range is not mapped; the rest is written), EBUSY ('invalidate' of locked memory), and those of
   * the disk, each reported once, as by DiskFile.sync().
   */
  msync(address: number, length: Size, mode: keyof typeof msyncFlags = 'sync'): void {
    const start = pageOf(address, 'msync')
    checkChoice(mode, 'mode', msyncFlags)
    const flags = msyncFlags[mode]
    const end = start + pagesOrNone(length, 'msync')
    super.callKernel('msync', (task, mm) => (end > TASK_SIZE ? -ENOMEM : msync(task, mm, start, end, flags)))
  }

  /**
   * msync, by the thread that writes files back (`writeback`, docs/files.md): this one goes on meanwhile. When the
   * promise is fulfilled, what was written to the range before the call is on disk. Without such a thread, this one
   * does it. Errors: those of msync, as rejections but for arguments.
   */
  msyncAsync(address: number, length: Size): Promise<void> {
    const start = pageOf(address, 'msync')
    const end = start + pagesOrNone(length, 'msync')
    return this.#msyncAsync(start, end)
  }

  async #msyncAsync(start: number, end: number): Promise<void> {
    if (end > TASK_SIZE) checkResult(-ENOMEM, 'msync')
    const request = (): number => super.runInKernel('msync', (task, mm) => requestSync(task, mm, start, end))
    const done = await byFlusher(this.#thread, request)
    super.callKernel('msync', (task, mm) =>
      done ? finishSync(task, mm) : msync(task, mm, start, end, msyncFlags.sync),
    )
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
    const child = super.runInKernel('fork', (task, mm) => forkMm(task, mm))
    if (child === 0) throw new OutOfMemory('fork', super.whyNoFork())
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
    return Snapshot.of(this.fork(), AddressSpace.#changes)
  }

  /** The parts of private memory that differ between two snapshots. */
  static #changes(space: AddressSpace, since: AddressSpace): SnapshotRange[] {
    const ranges: SnapshotRange[] = []
    if (space === since) return ranges
    if (space.#thread !== since.#thread)
      rangeError('since', since.#generation, 'a snapshot on the same machine', 'ERR_INVALID_ARG_VALUE')
    const changed = new OwnBytes(new ArrayBuffer(CHANGED_PAGES_MAX))
    let last: { address: number; length: number } | undefined
    for (let page = 0; page < TASK_SIZE;) {
      const from = page
      since.join()
      page = space.runInKernel('dirtyRanges', (task, mm) => changedPages(task, mm, since.#mm, from, changed))
      for (let n = changed.indexOf(1); n >= 0; n = changed.indexOf(1, n + 1)) {
        const address = (from + n) * PAGE_SIZE
        if (last !== undefined && last.address + last.length === address) last.length += PAGE_SIZE
        else ranges.push((last = { address, length: PAGE_SIZE }))
      }
    }
    return ranges
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
    // A thread has one object for each heap, since the object caches blocks that a second one could hand out again.
    const present = this.#heaps.get(address)
    if (present?.isThere === true) return present
    const heap = Heap.open(this, this.#thread.ofHeap(), address)
    this.#heaps.set(address, heap)
    return heap
  }

  /**
   * Frees every private page, as the OOM reaper does with a program that was chosen to die, while other threads may
   * still be at work in it: from then on a fault on such a page is a BusError, also
   * where nothing was. It cannot be undone; afterwards only destroy() makes sense. Returns false, and does nothing,
   * while another thread changes the layout.
   */
  reap(): boolean {
    return super.runInKernel('reap', (task, mm) => oomReap(task, mm))
  }

  /**
   * Registers an observer of this address space: a secondary MMU, through which this thread reads and writes it. Waits
   * for writers of the layout and for a grace period, as registering does in Linux; copies on write of other threads
   * cost more as long as there is one. It ends with `unregister()`, or with the address space. A fork does not inherit
   * it. Errors: OutOfMemory when the kernel heap is used up.
   */
  registerNotifier(): MmuNotifier {
    assureRoomForSteps()
    const notifier = super.runInKernel('registerNotifier', (task, mm) => registerMmuNotifier(task, mm))
    if (notifier < 0) throw new OutOfMemory('registerNotifier', 'the kernel heap is used up')
    return new MmuNotifier(OWN, this.#thread, notifier)
  }

  /** Unmaps everything and gives the address space up. No other thread may be using it. */
  destroy(): void {
    assureRoomForSteps()
    if (!this.#exists()) return
    super.runInKernel('destroy', (task, mm) => destroyMm(task, mm))
    super.markLeft()
    spacesOf(this.#thread).delete(this.#generation)
  }

  /** Ends this thread's use of the address space; its next access begins it again. */
  leave(): void {
    assureRoomForSteps()
    if (!super.joined || !this.#exists()) return
    this.#thread.enter('leave', (task) => leaveMm(task, this.#mm))
    super.markLeft()
  }

  /**
   * For `using`: {@link destroy} where this thread has made or forked it, else {@link leave}; nothing once detached.
   */
  [Symbol.dispose](): void {
    if (!this.#thread.isAttached) return
    if (this.#made) this.destroy()
    else this.leave()
  }

  /** @internal */
  [inspected](): string {
    return `AddressSpace (${this.#generation})`
  }

  // -------------------------------------------------------------------------------------------------------------------

  #forget(): void {
    super.markLeft()
  }

  /** False if any thread has destroyed the address space. */
  #exists(): boolean {
    return numberAt(this.#thread.task.heap, this.#mm + Mm.generation) === this.#generation
  }
}

const ENOMEM = 12
