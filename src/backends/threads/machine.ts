// A machine of the threads backend: memory shared by worker threads, each of which is a CPU while it is attached.

import { randomUUID } from 'node:crypto'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_RADIX_NODE,
  CACHE_VMA,
  File,
  Header,
  type KernelConfig,
  PAGE_SIZE,
  type Task,
  allVmEvents,
  bootKernel,
  commitLimit,
  framesFree,
  createPhysicalMemory,
  memoryCommitted,
  graceBarrier,
  runTaskWork,
  rwsemKinds,
  rwsemNames,
  slabInUse,
  swapOff,
  swapOn,
} from '../../kernel/index.ts'
import { AddressSpace, spacesOf } from './address-space.ts'
import type { AddressSpaceOptions } from './address-space-options.ts'
import type { FilePath } from './arguments.ts'
import { OWN, type Own, assertOwn, keepInThread } from './construction.ts'
import { DiskFile, type OpenFileOptions } from './disk-file.ts'
import { ConfigurationError, MemoryError, checkResult } from './errors.ts'
import { type MachineHandle, identify } from './handles.ts'
import type { HostFiles } from './host-io.ts'
import { startFlusher } from './flusher.ts'
import { inspected } from './inspected.ts'
import { seesDeadThreads } from './liveness.ts'
import { createHeapMemory } from './locked.ts'
import {
  type DesignName,
  type MachineOptions,
  type RwsemKind,
  type SwapOptions,
  type WritebackPlan,
  allocate,
  planMachine,
  readSwapOptions,
} from './machine-options.ts'
import { type DetachOptions, MachineThread } from './machine-thread.ts'
import { assertMayWait } from './may-wait.ts'
import { MemoryFile, type MemoryFileOptions } from './memory-file.ts'
import { assureRoomForSteps } from './stack-room.ts'
import { type Storage, checkStorage } from './storage.ts'

/** What is in use on a machine. */
export interface MachineUsage {
  framesTotal: number
  framesFree: number
  vmas: number
  pageTables: number
  anonVmas: number
  files: number
  radixNodes: number
  addressSpaces: number
  mmuNotifiers: number
  heapWordsUsed: number
  heapWordsTotal: number
  /** Pages that mappings have been promised (Committed_AS). */
  pagesCommitted: number
  /** How many there may be with overcommit 'never' (CommitLimit). */
  commitLimitPages: number
}

declare module './machine-thread.ts' {
  interface MachineThread {
    /** The object of the machine that programs use. */
    readonly machine: Machine
  }
}

/** `Header.flusherStorage`. */
const FLUSHER_FILE_SYSTEM = 1

const machines = new WeakMap<MachineThread, Machine>()

/**
 * A machine: memory that threads share, with a kernel in it. Each thread that is attached is one of its CPUs. It
 * holds address spaces and files, which are made by its methods.
 */
export class Machine {
  /**
   * Makes a machine and attaches this thread to it. Throws ConfigurationError for a machine that cannot exist,
   * TypeError and RangeError for an argument that is no option, size or number.
   */
  static create(given: MachineOptions): Machine {
    assureRoomForSteps()
    assertMayWait()
    const plan = planMachine(given)
    const heap = allocate(plan.heapWords * 4, 'kernelHeap', () => createHeapMemory(plan.heapWords))
    const words = new Int32Array(heap.buffer)
    bootKernel(words, plan)
    if (plan.checkRanges) words[Header.checkRanges] = 1
    if (plan.writeback !== null) prepareFlusher(words, plan.writeback)
    const bytes = plan.frameCount * PAGE_SIZE
    const memory = allocate(bytes, 'memory', () => createPhysicalMemory(plan.frameCount))
    if (plan.cpuCount > 1 && !seesDeadThreads()) warnOfLiveness()
    const id = randomUUID()
    identify(id, heap, memory)
    const machine = Machine.attach({ kind: 'faultline-machine', id, heap, memory })
    if (plan.writeback !== null) startFlusher(machine.#thread, { machine: machine.handle, ...plan.writeback })
    try {
      if (plan.swap !== null) machine.swapOn(plan.swap.path, plan.swap.options)
    } catch (error) {
      machine.detach()
      throw error
    }
    return machine
  }

  /**
   * Attaches this thread: it becomes a CPU until it detaches or ends. Attaching again gives the same Machine. Throws
   * ConfigurationError when every CPU is taken, CpuLostError when the machine has lost one, and TypeError or RangeError
   * for anything but a handle of a machine.
   */
  static attach(given: MachineHandle): Machine {
    return Machine.#of(MachineThread.attach(given))
  }

  /** A thread has one object for each machine. */
  static #of(thread: MachineThread): Machine {
    let machine = machines.get(thread)
    if (machine === undefined) {
      machine = new Machine(OWN, thread)
      machines.set(thread, machine)
    }
    return machine
  }

  static {
    // Lower modules ask the thread for the machine. It is declared here, so that no import leads upward.
    const descriptor = {
      get(this: MachineThread): Machine {
        return Machine.#of(this)
      },
    }
    Object.defineProperty(MachineThread.prototype, 'machine', descriptor)
  }

  // Made in the constructor, so that nobody can set them.
  declare readonly handle: MachineHandle
  /** @internal The kernel's view of this thread. */
  declare readonly task: Task
  /** The address spaces that this thread has met, by their generation: one object each, as a thread joins once. */
  declare readonly spaces: ReadonlyMap<number, AddressSpace>
  /** @internal What this thread has open on the host. */
  declare readonly files: HostFiles
  /** @internal MachineThread.enter(), and what follows. */
  declare readonly enter: MachineThread['enter']
  /** @internal */
  declare readonly failed: MachineThread['failed']
  /** @internal */
  declare readonly assertAttached: MachineThread['assertAttached']
  readonly #thread: MachineThread
  readonly #heap: Int32Array

  private constructor(key: Own, thread: MachineThread) {
    assertOwn(key, 'Machine', 'Machine.create() or Machine.attach()')
    keepInThread(this)
    const { handle, task, files } = thread
    this.#thread = thread
    this.#heap = task.heap
    const parts = {
      handle,
      task,
      spaces: spacesOf(thread),
      files,
      enter: <T>(call: string, body: (task: Task) => T): T => thread.enter(call, body),
      failed: (error: unknown, call: string): unknown => thread.failed(error, call),
      assertAttached: (): void => thread.assertAttached(),
    }
    for (const [name, value] of Object.entries(parts)) {
      // Without inherited properties, since a program may have put a getter on a prototype.
      const descriptor = { __proto__: null, value, enumerable: typeof value !== 'function' }
      Object.defineProperty(this, name, descriptor as PropertyDescriptor)
    }
  }

  /** The number of this thread's CPU, from 0. */
  get cpu(): number {
    return this.task.id
  }

  /** How many threads can be attached at once, not counting the one that writes files back. */
  get cpus(): number {
    return this.#heap[Header.cpuCount]! - (this.#heap[Header.flusherCpu] === 0 ? 0 : 1)
  }

  /**
   * Whether a thread that waits notices within about 100 ms that another has died inside the kernel. False where the
   * platform does not list the threads of a process: then it may wait until the thread that started the dead one comes
   * to its events.
   */
  get seesDeadThreads(): boolean {
    return seesDeadThreads()
  }

  /** Physical memory in bytes. */
  get memory(): number {
    return this.#heap[Header.frameCount]! * PAGE_SIZE
  }

  /** The name of the design. */
  get design(): DesignName {
    return this.task.design.description.name
  }

  /** Which reader-writer semaphore the mmap lock is. */
  get rwsem(): RwsemKind {
    return rwsemNames.find((name) => rwsemKinds[name] === this.#heap[Header.rwsemKind])!
  }

  /** The options of its kernel. */
  get config(): KernelConfig {
    return this.task.config
  }

  /** A new, empty address space. Throws OutOfMemory when the kernel heap is used up. */
  createAddressSpace(options: AddressSpaceOptions = {}): AddressSpace {
    return AddressSpace.create(this.#thread, options)
  }

  /** A file in memory, to be mapped. */
  createFile(options: MemoryFileOptions): MemoryFile {
    return MemoryFile.create(this.#thread, options)
  }

  /**
   * A file on disk, to be mapped, read and written through the page cache of this machine. Opening a file again gives
   * the same pages. The file must not be changed by others than this machine meanwhile. Errors: MemoryError with what
   * the disk says (ENOENT, EACCES, EISDIR, EROFS …), EEXIST (`exclusive`), ENODEV (a pipe or a device), EFBIG, ENOMEM.
   */
  openFile(path: FilePath, options: OpenFileOptions = {}): DiskFile {
    return DiskFile.open(this.#thread, path, options)
  }

  /**
   * Makes everything that was written to files of this machine safe, as sync does. Tries all files. Errors: that of the
   * first file that could not be written, or of an earlier write-back that failed and was not reported yet.
   */
  sync(): void {
    this.#thread.sync()
  }

  /**
   * Uses a file for pages that have to leave memory; it is made if need be, and its contents are lost. It stays when
   * the machine ends; nobody can open it for writing meanwhile (ETXTBSY). Errors: EBUSY (there is one already, or this
   * machine has the file open or mapped), ENOMEM (the kernel heap), and those of openFile().
   */
  swapOn(path: FilePath, given: SwapOptions): void {
    assureRoomForSteps()
    const { bytes, lock } = readSwapOptions(given)
    this.assertAttached()
    if (Atomics.load(this.#heap, Header.swapFile) !== 0)
      throw new MemoryError('EBUSY', 'swapOn', 'there is a swap file already')
    const file = this.openFile(path, { mode: 'r+', create: true, lock })
    try {
      // Before its contents are lost: another machine may be using them.
      if (Atomics.load(this.#heap, file.pointer + File.refcount) !== 1)
        throw new MemoryError('EBUSY', 'swapOn', `${file.path} is in use as a file`)
      if (file.size !== bytes) file.truncate(bytes)
      const result = this.enter('swapOn', (task) => swapOn(task, file.pointer, bytes / PAGE_SIZE))
      checkResult(result, 'swapOn', file.path)
    } finally {
      // The kernel holds it by now.
      file.close()
    }
  }

  /**
   * Brings everything back into memory and gives the swap file up. Errors: ENOMEM (it does not fit: everything is as it
   * was), EINVAL (there is none), EIO.
   */
  swapOff(): void {
    assureRoomForSteps()
    checkResult(
      this.enter('swapOff', (task) => swapOff(task)),
      'swapOff',
    )
  }

  /**
   * Has this thread use another storage than the file system, for what it opens and for what is open. Each thread of a
   * machine has its own setting, and threads that use the same files must use storages that show the same ones: where a
   * thread writes files back (`writeback`) that has no storage of its own, this throws ConfigurationError.
   */
  setStorage(storage: Storage): void {
    checkStorage(storage)
    if (this.#heap[Header.flusherStorage] === FLUSHER_FILE_SYSTEM)
      throw new ConfigurationError('writeback: that thread uses the file system: give it a storage, too')
    this.files.storage = storage
  }

  /**
   * Event counters summed over all CPUs, under the kernel's names. Exact when no thread is at work. That of each CPU
   * comes round after 2^32 events.
   */
  counters(): Record<string, number> {
    return allVmEvents(this.task)
  }

  /**
   * What is in use. Waits for everything that is to be freed after a grace period. Exact when no other thread is at
   * work.
   */
  usage(): MachineUsage {
    return this.enter('usage', (task) => {
      graceBarrier(task)
      runTaskWork(task)
      graceBarrier(task)
      const heap = this.#heap
      return {
        framesTotal: heap[Header.frameCount]! - 1,
        framesFree: framesFree(heap),
        vmas: slabInUse(heap, CACHE_VMA),
        pageTables: slabInUse(heap, CACHE_PAGE_TABLE),
        anonVmas: slabInUse(heap, CACHE_ANON_VMA),
        files: slabInUse(heap, CACHE_FILE),
        radixNodes: slabInUse(heap, CACHE_RADIX_NODE),
        addressSpaces: slabInUse(heap, CACHE_MM),
        mmuNotifiers: slabInUse(heap, CACHE_MMU_NOTIFIER),
        heapWordsUsed: Atomics.load(heap, Header.heapNext),
        heapWordsTotal: heap[Header.heapEnd]!,
        pagesCommitted: memoryCommitted(task),
        commitLimitPages: commitLimit(task),
      }
    })
  }

  /**
   * Gives this thread's CPU back. Afterwards no object of this thread on this machine can be used, and the files that
   * it has open are closed. Happens by itself at thread exit. First it synchronises the files that this thread has open
   * for writing, and the last thread synchronises all files: if that fails, it throws the error and the thread stays
   * attached, unless `discard` is set: then data that is not on disk may be lost.
   */
  detach(options: DetachOptions = {}): void {
    this.#thread.detach(options)
  }

  /** {@link detach}, for `using`. */
  [Symbol.dispose](): void {
    this.detach()
  }

  /** @internal */
  [inspected](): string {
    return `Machine (${this.design}, ${this.memory / 2 ** 20} MiB, CPU ${this.cpu} of ${this.cpus})`
  }

  /** What console.log prints: otherwise every word of the shared memory, hundreds of megabytes of text. */
  toJSON(): string {
    return this[inspected]()
  }
}

/** Sets up the flusher of a machine that no other thread uses yet. It gets the last CPU. */
function prepareFlusher(words: Int32Array, plan: WritebackPlan): void {
  words[Header.flusherCpu] = words[Header.cpuCount]!
  words[Header.dirtyBackground] = plan.dirtyBackground
  words[Header.dirtyExpire] = plan.dirtyExpire
  if (plan.storage === null) words[Header.flusherStorage] = FLUSHER_FILE_SYSTEM
}

function warnOfLiveness(): void {
  process.emitWarning(
    'this platform does not list the threads of a process: when a thread dies inside the kernel, threads that wait for ' +
      'it learn of it only when the thread that started it comes to its events',
    { type: 'FaultlineWarning', code: 'FAULTLINE_LIVENESS' },
  )
}
