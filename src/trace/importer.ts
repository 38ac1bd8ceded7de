/**
 * Follows the recorded processes through a trace: which threads and address spaces there are, which calls are under
 * way, and in which order everything took effect. Writes that order into one sequence of records.
 *
 * Principles:
 * - A call takes effect between its enter and its exit. The moment is where it got the mmap lock for writing, if the
 *   trace shows it; else its enter (munmap, madvise: afterwards the range is gone) or its exit (all others: before it
 *   the result is not known).
 * - exec begins a new address space; what exec maps shows as PERF_RECORD_MMAP2 outside any call. fork copies the
 *   layout. vfork lends the address space: until exec the child is a thread of its parent's.
 * - An address space ends when the last of its threads has left it, by exit or exec.
 * - Where one process is to be replayed alone, it is known at the end only which (the busiest), so that every process
 *   is followed as if it were that one: it begins with its parent's layout, and what a child does in memory that it
 *   borrowed is recorded both in the lender's and in a copy of the child's own.
 */
import { fileName } from './bytes.ts'
import { FaultCounts } from './given-back.ts'
import { CpuUse, type CpuState } from './cpu-use.ts'
import { callOfFunction } from './kernel-access.ts'
import { LockRecord, UNEXPLAINED_WAIT_NS } from './linux-locks.ts'
import { LockHistory, type LockUser } from './lock-history.ts'
import { LockOwners } from './lock-owners.ts'
import { KERNEL_MARK, symbolOf, type ImportObserver } from './observer.ts'
import { PAGE_SIZE, type Mapping } from './layout.ts'
import type { OpStore } from './op-store.ts'
import { NO_DURATIONS } from './operation-clock.ts'
import {
  RECORD_CREATE,
  RECORD_EXEC,
  RECORD_FORK,
  RECORD_JOIN,
  RECORD_SLEEP,
  RECORD_WAKE,
  STATUS_DONE,
} from './records.ts'
import { KernelEvidence } from './recorded-kernel.ts'
import { RecordedCalls } from './recorded-calls.ts'
import {
  FAULT_PROTECTION,
  pageDown,
  pageUp,
  RecordedSpace,
  USER_ADDRESSES,
  type Recording,
} from './recorded-space.ts'
import { Process, Thread, type Sink } from './recorded-thread.ts'
import { RecordedTimes } from './recorded-times.ts'
import {
  CALL_MADVISE,
  CALL_MMAP,
  CALL_MPROTECT,
  CALL_MUNMAP,
  CALL_NAMES,
  type MapRecord,
  type TraceEvents,
} from './event-reader.ts'
import { Scanner } from './scanner.ts'
import type { ThreadSamples } from './thread-samples.ts'

/** Bit of the x86 page-fault error code: taken in user mode. */
const FAULT_USER = 4
/** vm.mmap_min_addr of most systems: no program has anything mapped below. */
const LEAST_MAPPED_ADDRESS = 0x10000
/** What a thread did after a fault, where that is no other fault. */
const NEXT_OTHER = -1
/** It ended, or mapped what had been missing: the fault was refused. */
const NEXT_EXIT = -2
/** The recording ends. */
const NEXT_END = -3

const CLONE_VM = 0x100
const MADV_HUGEPAGE = 14
const CLONE_VFORK = 0x4000
const CLONE_THREAD = 0x10000

/** Kernel addresses begin here. */
const KERNEL_ADDRESSES = 0xffff800000000000

export class Importer implements TraceEvents {
  readonly scanner: Scanner
  readonly calls: RecordedCalls
  readonly locks: LockHistory
  readonly census = new FaultCounts()
  readonly cpuUse = new CpuUse()
  readonly kernel = new KernelEvidence()
  readonly processes: Process[] = []
  lostEvents = 0
  lockEvents = 0
  /** Calls that asked for huge pages. */
  hugeAdvised = 0
  faults = 0
  /** Faults that the kernel was not to handle, and did not (pagefault_disable). */
  unhandledFaults = 0
  #kernelFaultsUnderLock = 0
  readonly #owners = new LockOwners()
  mapRecords = 0
  /** perf told what was mapped before the recording began. */
  attached = false
  newTasks = 0

  readonly recording: Recording
  /** Where threads stand in time, and what they take for what they do. */
  readonly times: RecordedTimes
  /** Whether that is written, and where threads sleep and wake each other. */
  readonly #isTimed: boolean
  /** Whether all processes are to be replayed, or one of them alone. */
  readonly #whole: boolean
  readonly #byPid = new Map<number, Process>()
  readonly #byTid = new Map<number, Thread>()
  /** Of the whole trace, where all processes are replayed. */
  readonly #locks = new LockRecord()
  #thread: Thread | null = null
  readonly #observers: readonly ImportObserver[]
  #hasBegun = false
  /** Whose sample the lines of a call chain are of; null where they are of a wait. */
  #sampled: ThreadSamples | null = null

  constructor(
    file: string,
    store: OpStore,
    whole: boolean,
    observers: readonly ImportObserver[] = [],
    isTimed = false,
  ) {
    this.times = new RecordedTimes(isTimed ? store : null)
    this.#isTimed = isTimed
    this.#observers = observers
    this.locks = new LockHistory(observers)
    this.scanner = new Scanner(file, this)
    this.calls = new RecordedCalls(this.scanner)
    this.recording = {
      records: store.createStream(),
      seats: [],
      spaces: [],
      withoutFaultAround: this.calls.withoutFaultAround,
      line: 0,
      times: isTimed ? this.times : null,
    }
    this.#whole = whole
  }

  // ---- threads and processes

  #current(): Thread {
    const { scanner } = this
    let thread = this.#thread
    if (thread === null || thread.tid !== scanner.tid || thread.process.pid !== scanner.pid) {
      thread = this.#findThread(scanner.pid, scanner.tid)
      this.#thread = thread
    }
    const { process } = thread
    const now = this.#now
    this.times.seen(thread, scanner.cpu, now)
    this.#isAt(thread, 'running')
    if (process.firstNs < 0) process.firstNs = now
    process.lastNs = now
    if (!this.#hasBegun) this.#begin(now)
    return thread
  }

  #isAt(thread: Thread, state: CpuState): void {
    // The idle task of a CPU.
    if (thread.cpuState === state || thread.tid === 0) return
    // perf stops watching a thread before that gives up its CPU for the last time.
    if (thread.exitNs >= 0 && state !== 'sleeping') return
    this.cpuUse.changed(thread.cpuState, state, this.scanner.cpus, this.#now)
    thread.process.atWork.changed(thread.cpuState, state, this.#now)
    thread.cpuState = state
  }

  #begin(now: number): void {
    this.#hasBegun = true
    for (const observer of this.#observers) observer.begin(now)
  }

  /** Nanoseconds, exact to a few hundred of them. */
  get #now(): number {
    return this.scanner.seconds * 1e9 + this.scanner.nanoseconds
  }

  #findThread(pid: number, tid: number): Thread {
    const known = this.#byTid.get(tid)
    if (known !== undefined && known.process.pid === pid) return known
    // Threads that were there before the recording began.
    let process = this.#byPid.get(pid)
    if (process === undefined)
      process = this.#addProcess(pid, this.scanner.comm(), new RecordedSpace(this.recording, 'start'))
    return this.#addThread(process, tid)
  }

  #addProcess(pid: number, name: string, space: RecordedSpace): Process {
    const process = new Process(pid, name, space, this.#whole ? this.#locks : new LockRecord())
    this.processes.push(process)
    this.#byPid.set(pid, process)
    return process
  }

  #addThread(process: Process, tid: number, parent: Thread | null = null): Thread {
    const thread = new Thread(tid, process, this.#now)
    const sink = this.#sit(process.space, tid)
    thread.sinks.push(sink)
    this.times.born(sink.seat, thread, this.#now, parent)
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    return thread
  }

  #sit(space: RecordedSpace, tid: number, guest = false, lender = -1): Sink {
    return { space, seat: space.addSeat(tid, this.scanner.eventCount, guest, lender), lender }
  }

  newTask(tid: number, flags: number): void {
    this.newTasks++
    const parent = this.#active()
    this.#otherEvent(parent)
    const own = parent.sinks[0]!
    if ((flags & CLONE_THREAD) !== 0) {
      const { seat, space } = this.#addThread(parent.process, tid, parent).sinks[0]!
      for (const sink of parent.sinks) if (sink.space === space) space.marker(RECORD_CREATE, sink.seat, seat)
      return
    }
    const { name } = parent.process
    if ((flags & CLONE_VM) === 0) {
      this.#beginOperation(parent)
      const space = own.space.fork(this.recording, !this.#whole)
      const child = this.#addThread(this.#addProcess(tid, name, space), tid, parent)
      own.space.marker(RECORD_FORK, own.seat, child.sinks[0]!.seat)
      this.recording.seats[own.seat]!.operations++
      return
    }
    const lender = (flags & CLONE_VFORK) !== 0 ? own.seat : -1
    const process = this.#addProcess(
      tid,
      name,
      this.#whole ? own.space : own.space.fork(this.recording, true),
    )
    const borrowed = this.#sit(own.space, tid, !this.#whole, lender)
    const thread = new Thread(tid, process, this.#now)
    if (!this.#whole) thread.sinks.push(this.#sit(process.space, tid))
    thread.sinks.push(borrowed)
    for (const { seat } of thread.sinks) this.times.born(seat, thread, this.#now, parent)
    process.threads.push(thread)
    this.#byTid.set(tid, thread)
    own.space.marker(RECORD_CREATE, own.seat, borrowed.seat)
  }

  /** A thread leaves its address space, and gives back what it had borrowed. */
  #leave(thread: Thread): void {
    for (const { space, seat, lender } of thread.sinks) {
      if (lender >= 0) space.marker(RECORD_JOIN, lender, seat)
      space.leave(seat, this.scanner.eventCount)
    }
    thread.sinks = []
  }

  /** What a thread that has ended does is done by a new one, whose creation is not in the trace. */
  #successor({ tid, process }: Thread): Thread {
    const lives = process.threads.some(({ sinks }) => sinks.length > 0)
    const space = lives ? process.space : new RecordedSpace(this.recording, 'start')
    this.#thread = null
    return this.#addThread(lives ? process : this.#addProcess(process.pid, this.scanner.comm(), space), tid)
  }

  /** The thread of the present event, alive. */
  #active(): Thread {
    const thread = this.#current()
    return thread.sinks.length > 0 ? thread : this.#successor(thread)
  }

  /** exec has passed the point of no return. Returns the thread, which is another one if the process is another. */
  #newImage(thread: Thread): Thread {
    const { process } = thread
    // A thread that calls exec gets the number of its process, whose first thread may have ended before.
    const before = process.threads.find(({ sinks }) => sinks.length > 0)?.sinks[0]
    if (before === undefined) {
      const successor = this.#successor(thread)
      successor.process.space.inExec = true
      return successor
    }
    // Nothing happened in what was there before.
    const old = before.space
    const isFirst = old.origin === 'start' && !old.isUsed && old.faults === 0 && old.users === 1
    const space = new RecordedSpace(this.recording, isFirst ? 'start' : 'exec')
    space.inExec = true
    if (isFirst) {
      old.isReplaced = true
      process.images.pop()
    }
    process.images.push(space)
    process.space = space
    const sink = this.#sit(space, thread.tid)
    space.marker(RECORD_EXEC, sink.seat, before.seat)
    if (!isFirst) this.recording.seats[sink.seat]!.operations++
    // exec ends all other threads of the process.
    this.#releaseSpace(process)
    for (const other of process.threads) this.#leave(other)
    thread.sinks = [sink]
    this.#beginOperation(thread)
    return thread
  }

  exec(name: string): void {
    let thread = this.#current()
    this.#otherEvent(thread)
    // exec shows [stack] first, unless perf recorded no data mappings.
    if (!thread.process.space.inExec) thread = this.#newImage(thread)
    thread.process.space.inExec = false
    thread.process.name = fileName(name)
  }

  exit(groupDead: boolean): void {
    const thread = this.#current()
    this.#settleFault(thread, NEXT_EXIT)
    this.#otherEvent(thread)
    this.#beginOperation(thread)
    this.#holdSpace(thread, groupDead)
    this.#leave(thread)
    thread.exitNs = this.#now
    this.#isAt(thread, 'sleeping')
    if (groupDead) thread.process.ended = true
  }

  /** The last thread that we know of is not always the last that there is: one may have done nothing yet. */
  #holdSpace(thread: Thread, groupDead: boolean): void {
    const { process } = thread
    if (groupDead) {
      this.#releaseSpace(process)
    } else if (process.held === null && thread.sinks.length === 1) {
      if (process.threads.some((other) => other !== thread && other.sinks.length > 0)) return
      process.held = thread.sinks[0]!.space
      process.held.users++
    }
  }

  #releaseSpace(process: Process): void {
    if (process.held !== null) process.held.users--
    process.held = null
  }

  // ---- faults

  fault(address: number, recordedCode: number, kernel: boolean, from: string | number): void {
    const thread = this.#current()
    this.#settleFault(thread, address)
    const errorCode = kernel ? recordedCode & ~FAULT_USER : recordedCode | FAULT_USER
    thread.process.faults++
    this.faults++
    thread.inFault = true
    thread.faultIsOpen = true
    thread.faultAddress = address
    thread.faultCode = errorCode
    thread.faultIsKernel = kernel
    thread.faultIsOutside = false
    thread.faultTookLock = false
    thread.faultLock = -1
    thread.faultLockedNs = -1
    thread.faultTook = NO_DURATIONS
    thread.faultNs = this.#now
    thread.faultFrom = from
    this.#beginOperation(thread)
    thread.samples.begin(from, false)
    thread.endIsKnown = false
    thread.faultIsAvoidable = false
    thread.faultIsNew = false
    thread.faultIsAgain = false
    thread.mapping = undefined
    thread.faultCall = kernel ? (thread.otherCall ?? callOfFunction(String(from))) : ''
    thread.activity++
    this.#endTry(thread)
    this.recording.line = this.scanner.line
    // Its address space is left already.
    if (thread.sinks.length === 0) thread.process.space.countOutside()
    if (address >= USER_ADDRESSES) {
      if (address < KERNEL_ADDRESSES)
        throw this.scanner.outOfRange(
          `a page fault at 0x${address.toString(16)}, which is no 47-bit user address`,
        )
      for (const { space, seat } of thread.sinks) space.countKernelAddress(seat)
      return
    }
    this.calls.settleProtections(thread, address, errorCode)
    for (const { space, seat } of thread.sinks)
      if (!space.fault(seat, address, errorCode)) thread.faultIsOutside = true
    this.#takeFromStock(thread, errorCode)
  }

  /** A fault on a new page of anonymous memory takes a page of what was given back before. */
  #takeFromStock(thread: Thread, errorCode: number): void {
    const space = thread.sinks[0]?.space
    const mapping = space?.layout.find(thread.faultAddress)
    thread.mapping = mapping
    if (space === undefined || mapping === undefined || (errorCode & FAULT_PROTECTION) !== 0) return
    if (mapping.file !== 0) {
      const { file, offset, start } = mapping
      const page = Math.floor((thread.faultAddress - start + offset) / PAGE_SIZE)
      thread.faultIsAgain = thread.process.mapsAgain(file, page)
      return
    }
    if (mapping.shared) return
    thread.faultIsNew = space.present.add(Math.floor(thread.faultAddress / PAGE_SIZE))
    if (!thread.faultIsNew || thread.process.stock === 0) return
    thread.process.stock--
    thread.faultIsAvoidable = true
  }

  /**
   * A thread goes on after a fault, which tells what became of that.
   * @param next the address of its next fault, or why it is another event
   */
  #settleFault(thread: Thread, next: number): void {
    if (!thread.faultIsOpen) return
    thread.faultIsOpen = false
    const afterNs = next === NEXT_END ? -1 : this.times.passed(thread, this.#now)
    const { faultAddress, sinks, process } = thread
    for (const { space } of sinks) space.endFault(thread.tid, faultAddress)
    if (this.#wasUnhandled(thread, next)) {
      process.faults--
      this.faults--
      this.unhandledFaults++
      for (const { space, seat } of sinks) space.dropFault(seat)
      const page = Math.floor(faultAddress / PAGE_SIZE)
      if (thread.mapping?.file === 0) sinks[0]?.space.present.remove(page, page + 1)
      if (thread.faultIsAvoidable) process.stock++
      return
    }
    this.#countFault(thread, afterNs)
    if (thread.faultIsOutside && (next === NEXT_EXIT || faultAddress < LEAST_MAPPED_ADDRESS)) {
      for (const { space, seat } of sinks) space.refuseFault(seat, faultAddress)
    }
  }

  /** @param afterNs from the end of the fault that the trace shows, else its beginning, to what the thread did next */
  #countFault(thread: Thread, afterNs: number): void {
    const { faultIsKernel, faultIsAvoidable, faultCall, faultLockedNs, faultTook, faultAddress } = thread
    for (const observer of this.#observers) observer.fault(thread, this.#nameOf)
    const { running } = thread
    const samples = thread.samples.counts()
    const fault = { lockedNs: faultLockedNs, took: faultTook, afterNs, samples, running }
    this.census.fault(faultIsKernel ? faultCall : null, fault, faultIsAvoidable)
    if (thread.faultIsAgain) this.census.again(fault)
    if (faultIsKernel && thread.faultIsNew)
      this.census.copy(faultCall, thread, Math.floor(faultAddress / PAGE_SIZE), fault)
  }

  /**
   * Whether the kernel took a fault in itself that it was not to handle, and only looked for another way. It takes the
   * mmap lock for every fault of its own that it handles (lock_mm_and_find_vma, x86 and ARM64).
   */
  #wasUnhandled(thread: Thread, next: number): boolean {
    if (!thread.faultIsKernel || thread.faultTookLock || thread.faultAddress >= USER_ADDRESSES) return false
    if (next === NEXT_END) return false
    const again = next >= 0 && pageDown(next) === pageDown(thread.faultAddress)
    return again || this.#kernelFaultsUnderLock > 0
  }

  // ---- the mmap lock

  lock(mm: number, started: boolean, write: boolean, success: boolean): void {
    const thread = this.#current()
    const { process } = thread
    this.lockEvents++
    const ofFault = this.#isOfFault(thread, mm, write)
    if (started) {
      // A try that failed and the wait that follows are one acquisition.
      if (!(thread.lockPending && thread.lockContended)) {
        thread.lockSeconds = this.scanner.seconds
        thread.lockNanoseconds = this.scanner.nanoseconds
        thread.lockContended = false
        thread.operation.asks()
        thread.idleWhenAsked = this.cpuUse.idleNs(this.#now)
        thread.sharedWhenAsked = process.atWork.sharedNs(this.#now)
      }
      this.#settleReturn(thread)
      thread.lockPending = true
      this.locks.started(mm, thread.tid, write, this.#now)
      return
    }
    if (!success) {
      thread.lockContended = true
      return
    }
    this.#gotLock(thread, mm, write, ofFault)
    // munmap goes on with the lock held for reading only, which shows as one more acquisition.
    thread.holdsWrite = write
    thread.heldLock = mm
    const { call } = thread
    if (write && call.active && !call.committed) this.calls.commit(thread)
  }

  /**
   * Whether a thread takes a lock for its last fault: the first that it takes after it, for reading, and its own, until
   * it gives that back. What it takes afterwards is for what it does next, recorded or not (a read of /proc/PID/smaps).
   */
  #isOfFault(thread: Thread, mm: number, write: boolean): boolean {
    if (!thread.inFault) return thread.faultLock === mm
    thread.inFault = false
    if (write || this.#owners.isForeign(thread, mm)) return false
    thread.faultLock = mm
    thread.faultTookLock = true
    if (thread.faultIsKernel) this.#kernelFaultsUnderLock++
    thread.process.locks.faultsUnderLock++
    for (const { space, seat } of thread.sinks) space.faultTookLock(seat)
    return true
  }

  #gotLock(thread: Thread, mm: number, write: boolean, ofFault: boolean): void {
    const { process } = thread
    let waited = -1
    const hasFailed = thread.lockContended
    if (thread.lockPending) {
      const { seconds, nanoseconds } = this.scanner
      const ns = (seconds - thread.lockSeconds) * 1e9 + nanoseconds - thread.lockNanoseconds
      if (thread.lockContended || this.locks.isKept(mm, thread.tid)) {
        waited = ns
        if (!ofFault && !thread.call.active) this.times.waited(thread, ns)
        thread.waitedNs += ns
        process.locks.waited(write, ns)
      } else if (ns >= UNEXPLAINED_WAIT_NS) {
        waited = ns
      }
    }
    const awayNs = thread.operation.got(write, waited, this.#now)
    if (waited >= 0 && (hasFailed || this.locks.isKept(mm, thread.tid)))
      this.cpuUse.waited(waited, awayNs, this.cpuUse.idleNs(this.#now) - thread.idleWhenAsked)
    thread.shortWhenGot = this.cpuUse.shortNs(this.#now)
    if (thread.lockPending || !thread.holdsWrite) process.locks.acquired(write)
    thread.lockPending = false
    thread.lockContended = false
    thread.activity++
    if (write && thread.call.active) this.#owners.isOwn(thread, mm)
    const isForeign = this.#owners.isOfAnother(thread, mm)
    if (!isForeign && ofFault) this.#owners.isOwn(thread, mm)
    const user = this.#lockUser(thread, write, ofFault, isForeign)
    const delayedNs = process.atWork.sharedNs(this.#now) - thread.sharedWhenAsked
    const wait = { waitedNs: waited, delayedNs: Math.min(Math.max(0, waited), delayedNs), hasFailed }
    this.locks.acquired(mm, user, isForeign, wait, this.#now, this.scanner.line)
    this.#sampled = null
    this.scanner.takesStack = waited >= 0 && this.#observers.length > 0
  }

  #lockUser(thread: Thread, write: boolean, ofFault: boolean, isForeign: boolean): LockUser {
    const { process, tid, call } = thread
    const comm = this.scanner.comm()
    thread.comm = comm
    let what = thread.otherCall ?? (isForeign ? 'access to the memory of another process' : 'other')
    let { mapping } = thread
    if (ofFault) {
      what = thread.faultIsKernel ? `page fault in ${thread.faultCall}` : 'page fault'
    } else if (call.active) {
      what = CALL_NAMES[call.kind]!
      mapping = call.kind === CALL_MMAP ? undefined : thread.sinks[0]?.space.layout.find(call.values[0]!)
    } else {
      mapping = undefined
    }
    return {
      process: process.name,
      pid: process.pid,
      comm,
      tid,
      call: what,
      write,
      mapping: this.#nameOf(mapping),
    }
  }

  readonly #nameOf = (mapping: Mapping | undefined): string => {
    if (mapping === undefined) return ''
    if (mapping.growsDown) return '[stack]'
    return mapping.file === 0
      ? 'anonymous memory'
      : this.calls.files[mapping.file]!.replace(/^\S+ \d+ \d+ /, '')
  }

  unlock(mm: number): void {
    const thread = this.#current()
    thread.holdsWrite = false
    const ownNs = thread.operation.released(this.#now)
    const shortNs = Math.min(ownNs, this.cpuUse.shortNs(this.#now) - thread.shortWhenGot)
    if (thread.faultLock === mm) {
      thread.faultLockedNs = this.#now - thread.faultNs
      thread.faultTook = this.times.end(thread.sinks, thread, this.#now) ?? NO_DURATIONS
      thread.faultLock = -1
      thread.samples.begin(thread.faultFrom, false)
    }
    this.locks.released(mm, thread.tid, this.#now, shortNs)
  }

  switchedOut(preempted: boolean): void {
    const thread = this.#byTid.get(this.scanner.tid)
    if (thread === undefined) return
    this.times.switchedOut(thread, this.#now, preempted)
    this.#isAt(thread, preempted ? 'queued' : thread.lockPending ? 'waiting' : 'sleeping')
    if (!this.#isTimed) return
    const [sink] = thread.sinks
    if (preempted || sink === undefined || isWithin(thread)) return
    this.#beginOperation(thread)
    sink.space.marker(RECORD_SLEEP, sink.seat, 0)
    this.recording.seats[sink.seat]!.operations++
  }

  /** A thread wakes another, which sleeps between two of its operations: then it sleeps until that comes. */
  woke(tid: number): void {
    const thread = this.#byTid.get(this.scanner.tid)
    const other = this.#byTid.get(tid)
    if (other?.cpuState === 'sleeping' || other?.cpuState === 'waiting') {
      other.wokenNs = this.cpuUse.hasIdle ? this.#now : -1
      this.#isAt(other, 'queued')
    }
    if (!this.#isTimed || thread === undefined || other === undefined || other === thread) return
    const [sink] = thread.sinks
    const [slept] = other.sinks
    if (other.outNs < 0 || other.preempted || isWithin(other) || isWithin(thread)) return
    if (sink === undefined || slept === undefined) return
    this.#beginOperation(thread)
    sink.space.marker(RECORD_WAKE, sink.seat, slept.seat)
    // From now on it only waits for a processor.
    this.times.switchedIn(other, this.#now)
    this.times.switchedOut(other, this.#now, true)
  }

  switchedIn(tid: number): void {
    const thread = this.#byTid.get(tid)
    if (thread === undefined) return
    if (thread.wokenNs >= 0) this.cpuUse.ran(this.#now - thread.wokenNs)
    thread.wokenNs = -1
    this.times.switchedIn(thread, this.#now)
    this.#isAt(thread, 'running')
  }

  get timeResolutionNs(): number {
    return 10 ** (9 - this.scanner.timeDigits)
  }

  /** Any event that ends what a fault or a try for the lock had begun. */
  #otherEvent(thread: Thread): void {
    if (thread.faultIsOpen) this.#settleFault(thread, NEXT_OTHER)
    this.#settleReturn(thread)
    thread.inFault = false
    thread.faultLock = -1
    this.#endTry(thread)
  }

  /** A thread whose try for the lock failed does not wait for it. */
  #endTry(thread: Thread): void {
    if (!thread.lockContended) return
    thread.lockContended = false
    this.locks.gaveUp(thread.tid)
  }

  /** A thread begins something that is recorded: what passed since it ended something else is known now. */
  #beginOperation(thread: Thread): void {
    this.#settleReturn(thread)
    this.times.begin(thread.sinks, thread, this.#now)
    thread.running = this.times.hasSwitches ? this.cpuUse.running : 0
  }

  /** A thread does something else after a memory call. */
  #settleReturn(thread: Thread): void {
    if (thread.returnedFrom === '') return
    const ns = this.times.passed(thread, this.#now)
    this.census.returned(thread.returnedFrom, ns, thread.samples.counts())
    thread.returnedFrom = ''
  }

  // ---- samples of the CPU

  sample(address: number, symbol: string): void {
    // The idle task of a CPU.
    if (this.scanner.tid === 0) return
    const thread = this.#current()
    const isLast = thread.faultIsOpen
      ? thread.faultLock < 0 && !thread.lockPending
      : thread.returnedFrom !== ''
    this.#sampled = isLast && address < 0 ? thread.samples : null
    if (!isLast) return
    if (address >= 0) thread.samples.ofProgram(address, symbol)
    else thread.samples.ofKernel()
    this.scanner.takesStack = address < 0
  }

  // ---- calls

  otherCall(name: string | null): void {
    const thread = this.#current()
    this.#otherEvent(thread)
    thread.otherCall = name
  }

  enterCall(kind: number, values: Float64Array): void {
    const thread = this.#active()
    this.#settleFault(thread, mapsOver(thread, kind, values) ? NEXT_EXIT : NEXT_OTHER)
    this.#otherEvent(thread)
    thread.callNs = this.#now
    if (kind === CALL_MADVISE && values[2] === MADV_HUGEPAGE) this.hugeAdvised++
    this.#beginOperation(thread)
    this.calls.enter(thread, kind, values, this.lockEvents > 0)
  }

  exitCall(kind: number, result: number): void {
    const thread = this.#current()
    this.#otherEvent(thread)
    const { active } = thread.call
    this.calls.exit(thread, kind, result)
    const took = this.times.end(thread.sinks, thread, this.#now)
    if (!active) return
    const name = CALL_NAMES[kind]!
    if (took !== null) this.census.call(name, took, thread.running)
    thread.returnedFrom = name
    thread.samples.begin(name, true)
    for (const observer of this.#observers) observer.call(thread, name, thread.callNs, this.#now)
  }

  // ---- mappings that perf reports

  mapRecord(record: MapRecord): void {
    this.mapRecords++
    const { seconds, nanoseconds } = this.scanner
    const made = seconds === 0 && nanoseconds === 0
    // What perf makes up has the process in its fields only.
    let thread = made ? this.#findThread(record.pid, record.tid) : this.#current()
    const start = record.start
    const end = start + pageUp(record.length)
    if (end > USER_ADDRESSES) {
      if (start >= KERNEL_ADDRESSES) return
      throw this.scanner.outOfRange(`a mapping of ${record.length} bytes at 0x${start.toString(16)}`)
    }
    if (record.length === 0 || start % PAGE_SIZE !== 0) {
      throw this.scanner.outOfRange(`a mapping of ${record.length} bytes at 0x${start.toString(16)}`)
    }
    const { call } = thread
    let { process } = thread
    if (call.active && call.kind !== CALL_MUNMAP && call.kind !== CALL_MADVISE) {
      call.record = record
      return
    }
    const mapping: Mapping = {
      start,
      end,
      protection: record.protection,
      shared: record.shared,
      file: this.calls.fileFor(record.file, record.offset),
      offset: record.file === '' ? 0 : record.offset,
      growsDown: record.name === '[stack]',
    }
    if (made) {
      this.attached = true
      process.space.establish(mapping)
      if (record.name === '[heap]') process.space.setHeap(start, end)
      return
    }
    // A mapping that a fault made grow is reported too.
    const grown = process.space.layout.find(end - 1)
    if (grown?.growsDown === true && grown.end === end && start === pageDown(thread.faultAddress)) return
    if (record.name === '[stack]') {
      if (!process.space.inExec) {
        thread = this.#newImage(thread)
        process = thread.process
      }
    }
    // perf tells of a mapping while the lock is held for writing.
    if (thread.holdsWrite) this.#owners.isOwn(thread, thread.heldLock)
    if (process.space.inExec) {
      process.space.establish(mapping)
      return
    }
    this.calls.impliedMappings++
    for (const sink of thread.sinks) {
      sink.space.implyMapping(sink.seat, mapping, STATUS_DONE)
      sink.space.map(mapping)
    }
  }

  comment(line: string): void {
    this.kernel.read(line)
  }

  frame(line: string): void {
    const symbol = symbolOf(line)
    if (this.#sampled !== null) return this.#sampled.frame(symbol.replace(KERNEL_MARK, ''))
    if (symbol !== '') for (const observer of this.#observers) observer.frame(symbol)
  }

  lost(count: number): void {
    this.lostEvents += count
  }

  /** Every call that is still open stays so. */
  end(): void {
    this.scanner.end()
    for (const thread of this.#byTid.values()) {
      if (thread.faultIsOpen) this.#settleFault(thread, NEXT_END)
      if (thread.call.active) this.calls.abandon(thread, false)
    }
  }
}

/** Whether a thread is in a call or a wait that is recorded, or in a fault that holds the lock. */
function isWithin({ call, lockPending, faultLock }: Thread): boolean {
  return call.active || lockPending || faultLock >= 0
}

/** Whether a call is to change what is mapped where the thread's last fault was, as handlers of a SIGSEGV do. */
function mapsOver(thread: Thread, kind: number, values: Float64Array): boolean {
  if (kind !== CALL_MMAP && kind !== CALL_MPROTECT) return false
  const [start, length] = values as unknown as [number, number]
  return thread.faultAddress >= start && thread.faultAddress < start + length
}
