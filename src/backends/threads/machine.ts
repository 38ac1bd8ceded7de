// A machine of the threads backend: memory shared by worker threads, each of which is a CPU while it is attached.

import { randomUUID } from 'node:crypto'
import { isMainThread } from 'node:worker_threads'
import {
  CACHE_ANON_VMA,
  CACHE_FILE,
  CACHE_MM,
  CACHE_MMU_NOTIFIER,
  CACHE_PAGE_TABLE,
  CACHE_RADIX_NODE,
  CACHE_VMA,
  CpuLostError,
  File,
  FaultOutOfMemory,
  Header,
  KernelReentryError,
  type KernelConfig,
  type LockedInstructions,
  PAGE_SIZE,
  PerCpu,
  SegmentationFault,
  BusError,
  Task,
  Zone,
  allVmEvents,
  bootKernel,
  callEnter,
  callExit,
  commitLimit,
  createHeapMemory,
  createPhysicalMemory,
  declareCpuLost,
  designs,
  exitFiles,
  finishCall,
  isInKernel,
  lockedInstructions,
  memoryCommitted,
  perCpuBase,
  graceBarrier,
  inheritCpu,
  releaseCpu,
  runTaskWork,
  rwsemKinds,
  slabInUse,
  swapOff,
  swapOn,
  syncAllFiles,
  syncFileOfGeneration,
} from '../../kernel/index.ts'
import { AddressSpace, type AddressSpaceOptions } from './address-space.ts'
import { type FilePath, type OptionChecks, checkBoolean, readOptions, typeError } from './arguments.ts'
import { OWN, type Own, assertOwn } from './construction.ts'
import { DiskFile, type OpenFileOptions } from './disk-file.ts'
import { ConfigurationError, MemoryError, OutOfMemory, checkResult } from './errors.ts'
import { type MachineHandle, identify, readMachineHandle } from './handles.ts'
import { HostFiles } from './host-io.ts'
import { onThreadEnd, seesDeadThreads } from './liveness.ts'
import { MachineCpus, type Taken } from './machine-cpus.ts'
import {
  type DesignName,
  type MachineOptions,
  type RwsemKind,
  type SwapOptions,
  allocate,
  planMachine,
  readSwapOptions,
} from './machine-options.ts'
import { MemoryFile, type MemoryFileOptions } from './memory-file.ts'
import { OwnMemory, OwnWords, ownFields } from './own-arrays.ts'
import { salvage } from './salvage.ts'
import { assureRoomForSteps, assureStackRoom } from './stack-room.ts'
import { type Storage, checkStorage } from './storage.ts'

const detachChecks: OptionChecks<{ readonly discard?: boolean }> = { discard: checkBoolean }
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

/** Machines to which this thread is attached. */
const attached = new Map<string, Machine>()
let watchingExit = false

/** A thread that ends gives its CPUs back. One listener for all machines, as a process may make many. */
function detachAtExit(): void {
  if (!watchingExit) process.once('exit', leaveAll)
  watchingExit = true
}

/** Throws what went wrong: there is nobody else to tell. */
function leaveAll(): void {
  const errors = [...attached.values()].flatMap((machine) => machine.leaveAtExit(OWN))
  if (errors.length > 0) throw errors[0]
}

export class Machine {
  /**
   * Makes a machine and attaches this thread to it. Throws ConfigurationError for one that cannot be, TypeError and
   * RangeError for what is no option, no size or no number.
   */
  static create(given: MachineOptions): Machine {
    assureRoomForSteps()
    const plan = planMachine(given)
    const heap = allocate(plan.heapWords * 4, 'kernelHeap', () => createHeapMemory(plan.heapWords))
    bootKernel(new Int32Array(heap.buffer), plan)
    const bytes = plan.frameCount * PAGE_SIZE
    const memory = allocate(bytes, 'memory', () => createPhysicalMemory(plan.frameCount))
    if (plan.cpuCount > 1 && !seesDeadThreads()) warnOfLiveness()
    const id = randomUUID()
    identify(id, heap, memory)
    const machine = Machine.attach({ kind: 'faultline-machine', id, heap, memory })
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
   * for what is no handle of a machine.
   */
  static attach(given: MachineHandle): Machine {
    assureRoomForSteps()
    const handle = readMachineHandle(given)
    const present = attached.get(handle.id)
    if (present !== undefined) return present
    const machine = new Machine(OWN, handle)
    attached.set(handle.id, machine)
    return machine
  }

  // Made in the constructor, so that nobody can set them: other objects of this package ask here for them.
  declare readonly handle: MachineHandle
  /** The kernel's view of this thread. For this package; not part of the stable interface. */
  declare readonly task: Task
  /** The address spaces that this thread has met, by their generation: one object each, as a thread joins once. */
  declare readonly spaces: Map<number, AddressSpace>
  /** What this thread has open on the host. For this package; not part of the stable interface. */
  declare readonly files: HostFiles
  readonly #handle: MachineHandle
  readonly #heap: Int32Array
  readonly #locked: LockedInstructions
  readonly #cpus: MachineCpus
  readonly #stopWatching: () => void
  #detached = false

  private constructor(key: Own, handle: MachineHandle) {
    assertOwn(key, 'Machine', 'Machine.create() or Machine.attach()')
    const heap = new OwnWords(handle.heap.buffer)
    const lost = Atomics.load(heap, Header.lostCpu)
    if (lost !== 0) throw new CpuLostError(lost - 1)
    this.#handle = handle
    this.#heap = heap
    this.#locked = lockedInstructions(handle.heap)
    this.#cpus = new MachineCpus(
      heap,
      (id) => this.#taskOf(id),
      () => this.#buryFiles(),
    )
    const taken = this.#cpus.take()
    try {
      this.#stopWatching = this.#become(taken)
    } catch (error) {
      this.#cpus.giveBack(taken)
      throw error
    }
  }

  /** This thread is that CPU from now on. Returns what ends the watch on other threads. */
  #become({ id, inherited }: Taken): () => void {
    const task = this.#taskOf(id)
    const files = new HostFiles(this.#handle.id, task, () => this.#cpus.noticeDead())
    try {
      task.host = files
      const { enter, failed, assertAttached } = this
      const parts = { handle: this.#handle, task, spaces: new Map(), files, enter, failed, assertAttached }
      for (const [name, value] of Object.entries(parts)) {
        // Without what all objects inherit, as anybody may have given them a getter.
        const descriptor = { __proto__: null, value, enumerable: typeof value !== 'function' }
        Object.defineProperty(this, name, descriptor as PropertyDescriptor)
      }
      this.#cpus.own = task
      if (inherited) inheritCpu(task)
      detachAtExit()
      return onThreadEnd(this.#cpus)
    } catch (error) {
      files.closeAll(false)
      throw error
    }
  }

  /** Throws a TypeError for what is no machine. For this package; not part of the stable interface. */
  static check(value: unknown): asserts value is Machine {
    if (typeof value !== 'object' || value === null || !(#handle in value))
      typeError('machine', value, 'a machine that Machine.create() or Machine.attach() gave')
  }

  /** The number of this thread's CPU, from 0. */
  get cpu(): number {
    return this.task.id
  }

  /** How many threads can be attached at once. */
  get cpus(): number {
    return this.#heap[Header.cpuCount]!
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

  get rwsem(): RwsemKind {
    const names = Object.keys(rwsemKinds) as RwsemKind[]
    return names.find((name) => rwsemKinds[name] === this.#heap[Header.rwsemKind])!
  }

  get config(): KernelConfig {
    return this.task.config
  }

  /** A new, empty address space. Throws OutOfMemory when the kernel heap is used up. */
  createAddressSpace(options: AddressSpaceOptions = {}): AddressSpace {
    return AddressSpace.create(this, options)
  }

  /** A file in memory, to be mapped. */
  createFile(options: MemoryFileOptions): MemoryFile {
    return MemoryFile.create(this, options)
  }

  /**
   * A file on disk, to be mapped, read and written through the page cache of this machine. Opening a file again gives
   * the same pages. The file must not be changed by others than this machine meanwhile. Errors: MemoryError with what
   * the disk says (ENOENT, EACCES, EISDIR, EROFS …), EEXIST (`exclusive`), ENODEV (a pipe or a device), EFBIG, ENOMEM.
   */
  openFile(path: FilePath, options: OpenFileOptions = {}): DiskFile {
    return DiskFile.open(this, path, options)
  }

  /**
   * Makes everything that was written to files of this machine safe, as sync does. Errors: of the first file that could
   * not be written, and of write-backs that failed before and that nobody was told of; all files are tried.
   */
  sync(): void {
    assureRoomForSteps()
    checkResult(
      this.enter('sync', (task) => syncAllFiles(task)),
      'sync',
    )
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
      // Before its contents are lost: somebody may need them.
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
   * machine has its own setting, and threads that use the same files must use storages that show the same ones.
   */
  setStorage(storage: Storage): void {
    checkStorage(storage)
    this.files.storage = storage
  }

  /** Event counters summed over all CPUs, under the kernel's names. Exact when no thread is at work. */
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
        framesFree: this.#freeFrames(),
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

  #freeFrames(): number {
    const heap = this.#heap
    let free = heap[heap[Header.zone]! + Zone.freeCount]!
    for (let id = 0; id < this.cpus; id++) free += heap[perCpuBase(heap, id) + PerCpu.pcpCount]!
    return free
  }

  /**
   * Gives this thread's CPU back. Every object of this thread on this machine is dead afterwards, and the files that it
   * has open are closed. Happens by itself at thread exit. What may be written of the files that this thread has open
   * is synchronised first, and by the last thread all files: if that fails, the error is thrown and the thread stays
   * attached, unless `discard` says that what is not on disk may be lost.
   */
  detach(options: { readonly discard?: boolean } = {}): void {
    assureRoomForSteps()
    if (this.files.isCalledOut()) throw new KernelReentryError('a storage must not detach its thread')
    const { discard = false } = readOptions(options, 'detach options', detachChecks)
    if (this.#detached) return
    const lost = this.#cpus.isLost
    if (!lost && !discard) this.#syncIfLast()
    if (!lost && !this.#isInKernel()) this.#closeFiles()
    this.#detached = true
    this.#stopWatching()
    attached.delete(this.handle.id)
    for (const space of this.spaces.values()) space.forget(OWN)
    if (!lost) {
      if (this.#isInKernel()) declareCpuLost(this.#heap, this.task.id)
      else releaseCpu(this.task)
    }
    this.files.closeAll(this.#cpus.isLast(this.task.id))
  }

  /** For the end of the thread: nothing that was written is lost. Returns the errors. */
  leaveAtExit(key: Own): unknown[] {
    assertOwn(key, 'machine.leaveAtExit', 'machine.detach()')
    const errors: unknown[] = []
    const attempt = (step: () => void) => {
      try {
        step()
      } catch (error) {
        errors.push(error)
      }
    }
    // With the main thread all threads end, with a worker those that it started. They are stopped first, so that what
    // they have written is synchronised.
    if (!this.#isInKernel()) {
      attempt(() => (isMainThread ? this.#cpus.stopOthers(this.task.id) : this.#cpus.stopStarted()))
    }
    if (!this.#cpus.isLost && !this.#isInKernel()) {
      attempt(() => (isMainThread ? this.sync() : this.#syncIfLast()))
    }
    if (this.#cpus.isLost && (isMainThread || this.#cpus.isLast(this.task.id)))
      attempt(() => salvage(this.task, this.files))
    attempt(() => this.detach({ discard: true }))
    return errors
  }

  #syncIfLast(): void {
    this.#cpus.setLeaving(this.task.id, true)
    try {
      if (this.#cpus.isLast(this.task.id)) this.sync()
      else this.#syncOwn()
    } catch (error) {
      this.#cpus.setLeaving(this.task.id, false)
      throw error
    }
  }

  /** What this thread has open and nobody else refers to is buried by itself: it can reach the files. */
  #closeFiles(): void {
    // With the last thread all files go; what is not on disk by now is to be lost.
    if (this.#cpus.isLast(this.task.id)) return
    this.enter('close', (task) => {
      exitFiles(task)
      finishCall(task)
    })
  }

  /** Files that only a thread had open that is dead: other machines may want them. */
  #buryFiles(): void {
    if (Atomics.load(this.#heap, Header.deadFiles) === 0) return
    try {
      this.enter('close', (task) => finishCall(task))
    } catch (error) {
      // Whoever uses the machine is told.
      if (!(error instanceof CpuLostError)) throw error
    }
  }

  /** Perhaps only this thread can reach the file: another has to open it by its path, which may lead elsewhere then. */
  #syncOwn(): void {
    for (const [file, generation] of this.files.openForWriting()) {
      if (file === this.#heap[Header.swapFile]) continue
      checkResult(
        this.enter('sync', (task) => syncFileOfGeneration(task, file, generation)),
        'sync',
      )
    }
  }

  /** This thread ends in the middle of the kernel: process.exit() in a callback, or an error that nobody expected. */
  #isInKernel(): boolean {
    return isInKernel(this.#heap, this.task.base)
  }

  /**
   * Runs `body` inside the kernel. Errors that a caller can expect leave the kernel by themselves; any other means
   * that the kernel's state cannot be trusted, so that the machine is given up. Throws the engine's RangeError, and has
   * done nothing, where the stack is nearly used up.
   */
  enter<T>(call: string, body: (task: Task) => T): T {
    this.assertAttached()
    assureStackRoom()
    callEnter(this.task)
    let result: T
    try {
      result = body(this.task)
    } catch (error) {
      throw this.failed(error, call)
    }
    callExit(this.task)
    return result
  }

  /** Throws when this thread has detached. */
  assertAttached(): void {
    if (this.#detached) throw new ConfigurationError('this thread is detached from the machine')
  }

  /** What to throw for an error that came out of the kernel. */
  failed(error: unknown, call: string): unknown {
    if (error instanceof FaultOutOfMemory) return new OutOfMemory(call, error.message)
    if (error instanceof SegmentationFault || error instanceof BusError) return error
    // Nothing has happened: the kernel goes on with what it was doing.
    if (error instanceof CpuLostError || error instanceof KernelReentryError) return error
    if (!this.#isInKernel()) return error
    if (error instanceof MemoryError) callExit(this.task)
    else declareCpuLost(this.#heap, this.task.id)
    return error
  }

  #taskOf(id: number): Task {
    const memory = new OwnMemory(this.#handle.memory)
    const task = new Task(id, this.#heap, memory, designs[this.#heap[Header.design]!]!, this.#locked)
    ownFields(task)
    return task
  }
}

function warnOfLiveness(): void {
  process.emitWarning(
    'this platform does not list the threads of a process: when a thread dies inside the kernel, threads that wait for ' +
      'it learn of it only when the thread that started it comes to its events',
    { type: 'FaultlineWarning', code: 'FAULTLINE_LIVENESS' },
  )
}
