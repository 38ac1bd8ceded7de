// This thread on a machine: the CPU that it has, its way into the kernel and out of it, and what it leaves behind.
//
// Address spaces and files use only this class. The class Machine, which programs use, makes address spaces and files,
// and so stands above them.

import { isMainThread } from 'node:worker_threads'
import {
  BusError,
  CpuLostError,
  FaultOutOfMemory,
  Header,
  KernelReentryError,
  PAGE_SIZE,
  SegmentationFault,
  type Task,
  callEnter,
  callExit,
  declareCpuLost,
  designs,
  exitFiles,
  finishCall,
  inheritCpu,
  isInKernel,
  releaseCpu,
  syncAllFiles,
  syncFileOfGeneration,
  throwIfCpuLost,
} from '../../kernel/index.ts'
import { type OptionChecks, checkBoolean, readOptions, typeError } from './arguments.ts'
import { ConfigurationError, MemoryError, OutOfMemory, checkResult } from './errors.ts'
import { type MachineHandle, readMachineHandle } from './handles.ts'
import { HostFiles } from './host-io.ts'
import { hostThreadId, onThreadEnd } from './liveness.ts'
import { type LockedInstructions, LockedTask, lockedInstructions } from './locked.ts'
import { MachineCpus, type Taken } from './machine-cpus.ts'
import { assertMayWait } from './may-wait.ts'
import { OwnMemory, OwnWords, ownFields } from './own-arrays.ts'
import { salvage } from './salvage.ts'
import { assureRoomForSteps, assureStackRoom } from './stack-room.ts'

export interface DetachOptions {
  readonly discard?: boolean
}

/** What a heap needs to know of the thread that uses it. */
export interface HeapThread {
  readonly cpu: number
  readonly cpus: number
  /** Of the machine, in bytes. */
  readonly memory: number
  /** The runtime's number of this thread, plus one. */
  readonly number: number
  /** Whether the thread with this number is attached, and has not ended as far as can be told. */
  isPresent(matches: (number: number) => boolean): boolean
}

const detachChecks: OptionChecks<DetachOptions> = { discard: checkBoolean }

/** Machines to which this thread is attached. */
const attached = new Map<string, MachineThread>()
let watchingExit = false

/** A thread that ends gives its CPUs back. One listener serves all machines, as a process may make many. */
function detachAtExit(): void {
  if (!watchingExit) process.once('exit', leaveAll)
  watchingExit = true
}

/** Throws what went wrong: no caller is left to get it. */
function leaveAll(): void {
  const errors = [...attached.values()].flatMap((thread) => thread.leaveAtExit())
  if (errors.length > 0) throw errors[0]
}

/** @internal A program reaches it as a Machine, which is what is added to it where that class is. */
export class MachineThread {
  /**
   * Attaches this thread: it becomes a CPU until it detaches or ends. Attaching again gives the same object. Throws as
   * Machine.attach() says.
   */
  static attach(given: MachineHandle): MachineThread {
    assureRoomForSteps()
    assertMayWait()
    const handle = readMachineHandle(given)
    const present = attached.get(handle.id)
    if (present !== undefined) return present
    const thread = new MachineThread(handle)
    attached.set(handle.id, thread)
    return thread
  }

  /** The flusher attaches, see flusher.ts. */
  static attachFlusher(given: MachineHandle): MachineThread {
    assureRoomForSteps()
    const handle = readMachineHandle(given)
    const thread = new MachineThread(handle, true)
    attached.set(handle.id, thread)
    Atomics.store(thread.task.heap, Header.flusherCame, 1)
    return thread
  }

  /** Throws a TypeError for anything else. */
  static check(value: unknown): asserts value is MachineThread {
    if (typeof value !== 'object' || value === null || !(#detached in value))
      typeError('machine', value, 'a machine that Machine.create() or Machine.attach() gave')
  }

  readonly handle: MachineHandle
  /** The kernel's view of this thread. */
  readonly task: Task
  /** What this thread has open on the host. */
  readonly files: HostFiles
  readonly #heap: Int32Array
  readonly #locked: LockedInstructions
  readonly #cpus: MachineCpus
  readonly #stopWatching: () => void
  readonly #detachers: (() => void)[] = []
  #detached = false

  private constructor(handle: MachineHandle, flusher = false) {
    const heap = new OwnWords(handle.heap.buffer)
    const lost = Atomics.load(heap, Header.lostCpu)
    if (lost !== 0) throw new CpuLostError(lost - 1)
    this.handle = handle
    this.#heap = heap
    this.#locked = lockedInstructions(handle.heap)
    this.#cpus = new MachineCpus(
      heap,
      (id) => this.#taskOf(id),
      () => this.#buryFiles(),
    )
    const taken = flusher ? this.#cpus.takeFlusher() : this.#cpus.take()
    try {
      this.task = this.#taskOf(taken.id)
      this.files = new HostFiles(handle.id, this.task, () => this.#cpus.noticeDead())
      this.#stopWatching = this.#become(taken)
    } catch (error) {
      this.#cpus.giveBack(taken)
      throw error
    }
    // A program can reach these properties, but not set them.
    Object.freeze(this)
  }

  /** Makes this thread that CPU. Returns a function that ends the watch on other threads. */
  #become({ inherited }: Taken): () => void {
    const { task, files } = this
    try {
      task.host = files
      this.#cpus.own = task
      if (inherited) inheritCpu(task)
      detachAtExit()
      return onThreadEnd(this.#cpus)
    } catch (error) {
      files.closeAll(false)
      throw error
    }
  }

  ofHeap(): HeapThread {
    const heap = this.#heap
    return {
      cpu: this.task.id,
      cpus: heap[Header.cpuCount]!,
      memory: heap[Header.frameCount]! * PAGE_SIZE,
      number: hostThreadId(),
      isPresent: (matches) => this.#cpus.isPresent(matches),
    }
  }

  /** Calls `detacher` when this thread detaches: from then on, the machine refuses it. */
  onDetach(detacher: () => void): void {
    this.#detachers.push(detacher)
  }

  /** Whether no thread is attached but the flusher, which asks. */
  isAlone(): boolean {
    return this.#cpus.isAlone(this.task.id)
  }

  /** Whether the flusher is attached. */
  flusherState(): ReturnType<MachineCpus['flusherState']> {
    return this.#cpus.flusherState()
  }

  /** Machine.sync(). */
  sync(): void {
    assureRoomForSteps()
    checkResult(
      this.enter('sync', (task) => syncAllFiles(task)),
      'sync',
    )
  }

  /** Machine.detach(). */
  detach(options: DetachOptions): void {
    assureRoomForSteps()
    if (this.files.isCalledOut()) throw new KernelReentryError('a storage must not detach its thread')
    const { discard = false } = readOptions(options, 'detach options', detachChecks)
    if (this.#detached) return
    const lost = this.#cpus.isLost
    if (!lost && !discard) this.#syncIfLast()
    if (!lost && this.#cpus.isLast(this.task.id)) this.#cpus.stopFlusher()
    if (!lost && !this.#isInKernel()) this.#closeFiles()
    this.#detached = true
    this.#stopWatching()
    attached.delete(this.handle.id)
    for (const detacher of this.#detachers) detacher()
    if (!lost) {
      if (this.#isInKernel()) declareCpuLost(this.#heap, this.task.id)
      else releaseCpu(this.task)
    }
    this.files.closeAll(this.#cpus.isLast(this.task.id))
  }

  /** For the end of the thread: synchronises what was written. Returns the errors. */
  leaveAtExit(): unknown[] {
    const errors: unknown[] = []
    const attempt = (step: () => void) => {
      try {
        step()
      } catch (error) {
        errors.push(error)
      }
    }
    // All threads end with the main thread, and the threads that a worker started end with it. They are stopped first,
    // so that what they have written is synchronised.
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

  /**
   * This thread itself writes back and frees the files that it has open and that have no other reference, since it can
   * reach them.
   */
  #closeFiles(): void {
    // The last thread frees all files; what is not on disk by now is meant to be lost.
    if (this.#cpus.isLast(this.task.id)) return
    this.enter('close', (task) => {
      exitFiles(task)
      finishCall(task)
    })
  }

  /** Frees files that only a dead thread had open, since other machines may want them. */
  #buryFiles(): void {
    if (Atomics.load(this.#heap, Header.deadFiles) === 0) return
    try {
      this.enter('close', (task) => finishCall(task))
    } catch (error) {
      // The next thread that uses the machine gets the error.
      if (!(error instanceof CpuLostError)) throw error
    }
  }

  /**
   * Perhaps only this thread can reach the file: another must open it by its path, which may lead to another file by
   * then.
   */
  #syncOwn(): void {
    for (const [file, generation] of this.files.openForWriting()) {
      if (file === this.#heap[Header.swapFile]) continue
      checkResult(
        this.enter('sync', (task) => syncFileOfGeneration(task, file, generation)),
        'sync',
      )
    }
  }

  /** This thread ends inside the kernel: by process.exit() in a callback, or by an unexpected error. */
  #isInKernel(): boolean {
    return isInKernel(this.#heap, this.task.base)
  }

  /**
   * Runs `body` inside the kernel. Errors that a caller can expect leave the kernel properly; after any other, the
   * kernel's state cannot be trusted, so the machine is declared lost. Throws the engine's RangeError, and does
   * nothing, if the stack is nearly used up.
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

  get isAttached(): boolean {
    return !this.#detached
  }

  /** Throws when this thread has detached, and CpuLostError if the machine is lost. */
  assertSound(): void {
    this.assertAttached()
    throwIfCpuLost(this.task)
  }

  /** Throws when this thread has detached. */
  assertAttached(): void {
    if (this.#detached) throw new ConfigurationError('this thread is detached from the machine')
  }

  /** The error to throw for one that came out of the kernel. */
  failed(error: unknown, call: string): unknown {
    if (error instanceof FaultOutOfMemory) return new OutOfMemory(call, error.message)
    if (error instanceof SegmentationFault || error instanceof BusError) return error
    // The second entry was refused and did nothing: the kernel goes on with what it was doing.
    if (error instanceof CpuLostError || error instanceof KernelReentryError) return error
    if (!this.#isInKernel()) return error
    if (error instanceof MemoryError) callExit(this.task)
    else declareCpuLost(this.#heap, this.task.id)
    return error
  }

  #taskOf(id: number): Task {
    const memory = new OwnMemory(this.handle.memory)
    const task = new LockedTask(id, this.#heap, memory, designs[this.#heap[Header.design]!]!, this.#locked)
    ownFields(task)
    return task
  }
}
