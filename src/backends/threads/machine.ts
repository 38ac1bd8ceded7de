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
  CPUS_MAX,
  CpuLostError,
  DEFAULT_OVERCOMMIT_RATIO,
  FRAMES_MAX,
  File,
  FaultOutOfMemory,
  HEAP_MAGIC,
  HEAP_WORDS_MAX,
  Header,
  KernelReentryError,
  type KernelConfig,
  type LockedInstructions,
  OVERCOMMIT_ALWAYS,
  OVERCOMMIT_GUESS,
  OVERCOMMIT_NEVER,
  PAGE_SIZE,
  PerCpu,
  PhysicalMemory,
  RWSEM_GENERIC,
  RWSEM_XADD,
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
  defaultHeapWords,
  designs,
  isInKernel,
  lockedInstructions,
  memoryCommitted,
  minimumHeapWords,
  packKernelConfig,
  perCpuBase,
  graceBarrier,
  resolveKernelConfig,
  releaseCpu,
  runTaskWork,
  slabInUse,
  swapOff,
  swapOn,
  syncAllFiles,
  syncFileOfGeneration,
} from '../../kernel/index.ts'
import { AddressSpace, type AddressSpaceOptions } from './address-space.ts'
import {
  type FilePath,
  type OptionChecks,
  checkBoolean,
  checkNumber,
  checkObject,
  checkString,
  readOptions,
  unchecked,
  typeError,
} from './arguments.ts'
import { DiskFile, type OpenFileOptions } from './disk-file.ts'
import { ConfigurationError, MemoryError, OutOfMemory, checkResult } from './errors.ts'
import { HostFiles } from './host-io.ts'
import { onThreadEnd, seesDeadThreads } from './liveness.ts'
import { MachineCpus } from './machine-cpus.ts'
import { MemoryFile, type MemoryFileOptions } from './memory-file.ts'
import { salvage } from './salvage.ts'
import { parseSize } from './size.ts'
import { assureRoomForSteps, assureStackRoom } from './stack-room.ts'
import { type Storage, checkStorage } from './storage.ts'

/** The name of a design, as `designs` lists them. */
export type DesignName = string
export type RwsemKind = 'xadd' | 'generic'
export type RssMode = 'batched' | 'shared'
/** `vm.overcommit_memory` 0, 1 and 2. */
export type OvercommitMode = 'heuristic' | 'always' | 'never'

export interface MachineOptions {
  /** Physical memory: bytes or a size such as '256MiB', a multiple of 4096, at most 4 GiB less 4 KiB. */
  readonly memory: string | number
  /** How many threads can be attached at once, 1 to 256; the thread that creates the machine is one of them. */
  readonly cpus: number
  /** A name from the list of designs. Default 'lespinasse-2021'. */
  readonly design?: DesignName
  /** Which reader-writer semaphore the mmap lock is. Default 'xadd'. */
  readonly rwsem?: RwsemKind
  /** Whether resident pages are counted per thread in batches or per address space at once. Default 'batched'. */
  readonly rss?: RssMode
  /**
   * Whether memory may be promised that is not there: 'heuristic' refuses only a call that asks for more than there is
   * in all, 'always' refuses nothing, 'never' keeps all promises together below the commit limit. Default 'heuristic'.
   */
  readonly overcommit?: OvercommitMode
  /** For 'never': the commit limit in per cent of the physical memory, 0 to 10,000. Default 50. */
  readonly overcommitRatio?: number
  /** For 'never': the commit limit in KiB, 1 to 2^31 - 1, in place of the ratio. */
  readonly overcommitKbytes?: number
  /** Memory of the kernel itself: VMAs, page tables … Default: ample. */
  readonly kernelHeap?: string | number
  readonly config?: Partial<KernelConfig>
  /** A file to which pages that are not in use leave memory, see Machine.swapOn(). Default: none. */
  readonly swap?: SwapOptions & { readonly path: FilePath }
}

export interface SwapOptions {
  /** Room for swapped pages: bytes or a size such as '1GiB', a multiple of 4096, at most 4 GiB less 4 KiB. */
  readonly size: string | number
  /** As of openFile(). Default true. */
  readonly lock?: boolean
}

const machineChecks: OptionChecks<MachineOptions> = {
  memory: unchecked,
  cpus: checkNumber,
  design: checkString,
  rwsem: checkString,
  rss: checkString,
  overcommit: checkString,
  overcommitRatio: checkNumber,
  overcommitKbytes: checkNumber,
  kernelHeap: unchecked,
  config: checkObject,
  swap: checkObject,
}
const detachChecks: OptionChecks<{ readonly discard?: boolean }> = { discard: checkBoolean }
const swapChecks: OptionChecks<SwapOptions> = { size: unchecked, lock: checkBoolean }

/** What another thread needs to attach. Can be cloned: pass it as `workerData` or in a message. */
export interface MachineHandle {
  readonly kind: 'faultline-machine'
  readonly id: string
  readonly heap: WebAssembly.Memory
  readonly memory: WebAssembly.Memory
}

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
  const errors = [...attached.values()].flatMap((machine) => machine.leaveAtExit())
  if (errors.length > 0) throw errors[0]
}

export class Machine {
  /**
   * Makes a machine and attaches this thread to it. Throws ConfigurationError for one that cannot be, TypeError and
   * RangeError for what is no option, no size or no number.
   */
  static create(given: MachineOptions): Machine {
    assureRoomForSteps()
    const options = readOptions(given, 'Machine.create options', machineChecks)
    const { memory, cpus } = options
    checkNumber(cpus, 'cpus')
    const bytes = parseSize(memory, 'memory')
    if (bytes % PAGE_SIZE !== 0)
      throw new ConfigurationError(`memory: ${bytes} bytes is not a multiple of ${PAGE_SIZE}`)
    const frameCount = bytes / PAGE_SIZE
    if (frameCount < 16 || frameCount > FRAMES_MAX) {
      throw new ConfigurationError(`memory: ${bytes} bytes is not between 64 KiB and 4 GiB - 4 KiB`)
    }
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > CPUS_MAX) {
      throw new ConfigurationError(`cpus: ${cpus} is not a whole number from 1 to ${CPUS_MAX}`)
    }
    const rwsemKind = choose('rwsem', options.rwsem ?? 'xadd', { xadd: RWSEM_XADD, generic: RWSEM_GENERIC })
    const rssBatched = choose('rss', options.rss ?? 'batched', { batched: true, shared: false })
    const overcommit = chooseOvercommit(options)
    const { design, config } = chooseDesign(options)
    const heapWords =
      options.kernelHeap === undefined
        ? defaultHeapWords(cpus, frameCount)
        : Math.floor(parseSize(options.kernelHeap, 'kernelHeap') / 4)
    if (heapWords < minimumHeapWords(cpus, frameCount)) {
      const least = Math.ceil((minimumHeapWords(cpus, frameCount) * 4) / 1024)
      throw new ConfigurationError(
        `kernelHeap: ${cpus} CPUs and ${frameCount} frames need at least ${least}KiB`,
      )
    }
    if (heapWords > HEAP_WORDS_MAX) {
      throw new ConfigurationError(`kernelHeap: ${heapWords * 4} bytes are more than 4 GiB`)
    }
    const heap = allocate(heapWords * 4, 'kernelHeap', () => createHeapMemory(heapWords))
    bootKernel(new Int32Array(heap.buffer), {
      cpuCount: cpus,
      frameCount,
      heapWords,
      config: packKernelConfig(config),
      rwsemKind,
      design,
      rssBatched,
      overcommit,
    })
    const physical = allocate(bytes, 'memory', () => createPhysicalMemory(frameCount))
    if (cpus > 1 && !seesDeadThreads()) warnOfLiveness()
    const machine = Machine.attach({ kind: 'faultline-machine', id: randomUUID(), heap, memory: physical })
    try {
      if (options.swap !== undefined) {
        const { path, ...swap } = options.swap
        machine.swapOn(path, swap)
      }
    } catch (error) {
      machine.detach()
      throw error
    }
    return machine
  }

  /**
   * Attaches this thread: it becomes a CPU until it detaches or ends. Attaching again gives the same Machine. Throws
   * ConfigurationError when every CPU is taken, and CpuLostError when the machine has lost one.
   */
  static attach(handle: MachineHandle): Machine {
    assureRoomForSteps()
    if (handle?.kind !== 'faultline-machine')
      throw new ConfigurationError('this is not the handle of a machine')
    for (const memory of [handle.heap, handle.memory] as unknown[]) {
      if (!(memory instanceof WebAssembly.Memory)) typeError('handle', handle, 'the handle of a machine')
    }
    const present = attached.get(handle.id)
    if (present !== undefined) return present
    const machine = new Machine(handle)
    attached.set(handle.id, machine)
    return machine
  }

  readonly handle: MachineHandle
  /** The kernel's view of this thread. For this package; not part of the stable interface. */
  readonly task: Task
  /** The address spaces that this thread has met, by their generation: one object each, as a thread joins once. */
  readonly spaces = new Map<number, AddressSpace>()
  /** What this thread has open on the host. For this package; not part of the stable interface. */
  readonly files: HostFiles
  readonly #heap: Int32Array
  readonly #locked: LockedInstructions
  readonly #cpus: MachineCpus
  readonly #stopWatching: () => void
  #detached = false

  private constructor(handle: MachineHandle) {
    const heap = new Int32Array(handle.heap.buffer)
    if (Atomics.load(heap, Header.magic) !== HEAP_MAGIC)
      throw new ConfigurationError('this is not the handle of a machine')
    const lost = Atomics.load(heap, Header.lostCpu)
    if (lost !== 0) throw new CpuLostError(lost - 1)
    this.handle = handle
    this.#heap = heap
    this.#locked = lockedInstructions(handle.heap)
    this.#cpus = new MachineCpus(heap, (id) => this.#taskOf(id))
    this.task = this.#taskOf(this.#cpus.take())
    this.files = new HostFiles(handle.id, this.task, () => this.#cpus.buryDead(this.task.id))
    this.task.host = this.files
    this.#stopWatching = onThreadEnd(this.#cpus)
    detachAtExit()
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
    return this.#heap[Header.rwsemKind] === RWSEM_GENERIC ? 'generic' : 'xadd'
  }

  get config(): KernelConfig {
    return this.task.config
  }

  /** A new, empty address space. Throws OutOfMemory when the kernel heap is used up. */
  createAddressSpace(options: AddressSpaceOptions = {}): AddressSpace {
    assureRoomForSteps()
    return AddressSpace.create(this, options)
  }

  /** A file in memory, to be mapped. */
  createFile(options: MemoryFileOptions): MemoryFile {
    assureRoomForSteps()
    return MemoryFile.create(this, options)
  }

  /**
   * A file on disk, to be mapped, read and written through the page cache of this machine. Opening a file again gives
   * the same pages. The file must not be changed by others than this machine meanwhile. Errors: MemoryError with what
   * the disk says (ENOENT, EACCES, EISDIR, EROFS …), EEXIST (`exclusive`), ENODEV (a pipe or a device), EFBIG, ENOMEM.
   */
  openFile(path: FilePath, options: OpenFileOptions = {}): DiskFile {
    assureRoomForSteps()
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
    const options = readOptions(given, 'swap options', swapChecks)
    const bytes = parseSize(options.size, 'swap')
    if (bytes === 0 || bytes % PAGE_SIZE !== 0)
      throw new ConfigurationError(`swap: ${bytes} bytes is not a positive multiple of ${PAGE_SIZE}`)
    this.assertAttached()
    if (Atomics.load(this.#heap, Header.swapFile) !== 0)
      throw new MemoryError('EBUSY', 'swapOn', 'there is a swap file already')
    const file = this.openFile(path, { mode: 'r+', create: true, lock: options.lock ?? true })
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
   * Gives this thread's CPU back. Every object of this thread on this machine is dead afterwards. Happens by itself
   * at thread exit. What may be written of the files that this thread has open is synchronised first, and by the last
   * thread all files: if that fails, the error is thrown and the thread stays attached, unless `discard` says that what
   * is not on disk may be lost.
   */
  detach(options: { readonly discard?: boolean } = {}): void {
    assureRoomForSteps()
    if (this.files.isCalledOut()) throw new KernelReentryError('a storage must not detach its thread')
    const { discard = false } = readOptions(options, 'detach options', detachChecks)
    if (this.#detached) return
    const lost = this.#cpus.isLost
    if (!lost && !discard) this.#syncIfLast()
    this.#detached = true
    this.#stopWatching()
    attached.delete(this.handle.id)
    for (const space of this.spaces.values()) space.forget()
    if (!lost) {
      if (this.#isInKernel()) declareCpuLost(this.#heap, this.task.id)
      else releaseCpu(this.task)
    }
    this.files.closeAll(this.#cpus.isLast(this.task.id))
  }

  /** For the end of the thread: nothing that was written is lost. Returns the errors. */
  leaveAtExit(): unknown[] {
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
      attempt(() =>
        isMainThread ? this.#cpus.stopOthers(this.task.id) : this.#cpus.stopStarted(this.task.id),
      )
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
    const memory = new PhysicalMemory(this.handle.memory)
    return new Task(id, this.#heap, memory, designs[this.#heap[Header.design]!]!, this.#locked)
  }
}

function warnOfLiveness(): void {
  process.emitWarning(
    'this platform does not list the threads of a process: when a thread dies inside the kernel, threads that wait for ' +
      'it learn of it only when the thread that started it comes to its events',
    { type: 'FaultlineWarning', code: 'FAULTLINE_LIVENESS' },
  )
}

function choose<T>(what: string, value: string, choices: Readonly<Record<string, T>>): T {
  const choice = Object.hasOwn(choices, value) ? choices[value] : undefined
  if (choice === undefined) {
    throw new ConfigurationError(
      `${what}: there is no '${value}'; choose one of ${Object.keys(choices).join(', ')}`,
    )
  }
  return choice
}

function chooseOvercommit(options: MachineOptions): { memory: number; ratio: number; kilobytes: number } {
  const memory = choose('overcommit', options.overcommit ?? 'heuristic', {
    heuristic: OVERCOMMIT_GUESS,
    always: OVERCOMMIT_ALWAYS,
    never: OVERCOMMIT_NEVER,
  })
  const { overcommitRatio: ratio = DEFAULT_OVERCOMMIT_RATIO, overcommitKbytes: kilobytes } = options
  if (!Number.isInteger(ratio) || ratio < 0 || ratio > 10_000) {
    throw new ConfigurationError(`overcommitRatio: ${String(ratio)} is not a whole number from 0 to 10,000`)
  }
  if (kilobytes !== undefined && !(Number.isInteger(kilobytes) && kilobytes >= 1 && kilobytes < 2 ** 31)) {
    throw new ConfigurationError(
      `overcommitKbytes: ${String(kilobytes)} is not a whole number from 1 to 2^31 - 1`,
    )
  }
  return { memory, ratio, kilobytes: kilobytes ?? 0 }
}

function chooseDesign(options: MachineOptions): { design: number; config: KernelConfig } {
  const name = options.design ?? 'lespinasse-2021'
  const design = designs.findIndex((candidate) => candidate.description.name === name)
  if (design < 0) {
    const names = designs.map((candidate) => candidate.description.name).join(', ')
    throw new ConfigurationError(`design: there is no '${name}'; choose one of ${names}`)
  }
  const { config, problems } = resolveKernelConfig(options.config ?? {})
  if (designs[design]!.speculates && !config.SPECULATIVE_PAGE_FAULT) {
    problems.push(`the design ${name} needs SPECULATIVE_PAGE_FAULT, which this configuration switches off`)
  }
  if (!config.SMP && options.cpus > 1) problems.push(`${options.cpus} CPUs need SMP`)
  if (problems.length > 0) throw new ConfigurationError(`config: ${problems.join('; ')}`)
  return { design, config }
}

function allocate(bytes: number, option: string, create: () => WebAssembly.Memory): WebAssembly.Memory {
  try {
    return create()
  } catch (error) {
    const mebibytes = Math.ceil(bytes / 2 ** 20)
    throw new ConfigurationError(`${option}: the host cannot give ${mebibytes} MiB: ask for less`, {
      cause: error,
    })
  }
}
