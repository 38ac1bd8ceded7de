/**
 * Takes the events of a trace one by one, and hands each to who follows what it is of: threads and processes
 * (recorded-processes.ts), page faults (fault-events.ts), memory calls (recorded-calls.ts), the mmap lock
 * (lock-events.ts), processors and time (thread-activity.ts). All of them write one sequence of records, in the order
 * in which everything took effect.
 *
 * Principle: a call takes effect between its enter and its exit. The moment is where it got the mmap lock for writing,
 * if the trace shows it; else its enter (munmap, madvise: afterwards the range is gone) or its exit (all others: before
 * it the result is not known).
 */
import { allocatorOf, GO_FUNCTION, isCollecting } from './allocators.ts'
import { fileName } from './bytes.ts'
import {
  CALL_MADVISE,
  CALL_MMAP,
  CALL_MPROTECT,
  CALL_MUNMAP,
  CALL_NAMES,
  type MapRecord,
  type TraceEvents,
} from './trace-events.ts'
import { FaultEvents, KERNEL_ADDRESSES, NEXT_END, NEXT_EXIT, NEXT_OTHER } from './fault-events.ts'
import { CensusByProgram, MMAP_OVER } from './given-back.ts'
import { PAGE_SIZE, PROT_EXEC, type Mapping } from './layout.ts'
import { LockEvents } from './lock-events.ts'
import { KERNEL_MARK, symbolOf, type ImportObserver } from './observer.ts'
import type { OpStore } from './op-store.ts'
import { type Durations, NO_DURATIONS } from './operation-clock.ts'
import { RecordedCalls } from './recorded-calls.ts'
import { KernelEvidence } from './recorded-kernel.ts'
import { CLONE_VM, RecordedProcesses } from './recorded-processes.ts'
import { pageDown, pageUp, USER_ADDRESSES, type Recording } from './recorded-space.ts'
import type { Process, Thread } from './recorded-thread.ts'
import { RecordedTimes } from './recorded-times.ts'
import { STATUS_DONE } from './records.ts'
import { Scanner } from './scanner.ts'
import { ThreadActivity } from './thread-activity.ts'
import type { ThreadSamples } from './thread-samples.ts'

const MADV_HUGEPAGE = 14
/** The comm of the first thread of Node 24. */
/** What ftrace's `trace` begins with. */
const FTRACE_KEPT = /^# entries-in-buffer\/entries-written: (\d{1,15})\/(\d{1,15})\b/
const NODE_MAIN_THREAD = 'MainThread'

export class Importer implements TraceEvents {
  readonly scanner: Scanner
  readonly calls: RecordedCalls
  readonly locks: LockEvents
  readonly faults: FaultEvents
  readonly activity: ThreadActivity
  readonly census = new CensusByProgram()
  readonly kernel = new KernelEvidence()
  readonly processes: RecordedProcesses
  lostEvents = 0
  /** Events that ftrace's buffer had no longer. */
  overwrittenEvents = 0
  /** Calls that asked for huge pages. */
  hugeAdvised = 0
  mapRecords = 0
  /** perf told what was mapped before the recording began. */
  attached = false
  newTasks = 0

  readonly recording: Recording
  /** Where threads stand in time, and what they take for what they do. */
  readonly times: RecordedTimes
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
    this.#observers = observers
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
    this.processes = new RecordedProcesses(this.scanner, this.recording, this.times, whole)
    this.activity = new ThreadActivity(this.scanner, this.recording, this.times, this.processes, this.census)
    this.locks = new LockEvents(this)
    this.faults = new FaultEvents(this)
  }

  get observers(): readonly ImportObserver[] {
    return this.#observers
  }

  #current(): Thread {
    const { scanner } = this
    const thread = this.processes.current
    const { process } = thread
    const now = scanner.nowNs
    this.times.seen(thread, scanner.cpu, now)
    this.activity.isAt(thread, 'running')
    if (process.firstNs < 0) process.firstNs = now
    process.lastNs = now
    if (!this.#hasBegun) this.#begin(now)
    return thread
  }

  #begin(now: number): void {
    this.#hasBegun = true
    for (const observer of this.#observers) observer.begin(now)
  }

  // ---- threads and processes

  newTask(tid: number, flags: number): void {
    this.newTasks++
    const parent = this.#active()
    const took = (flags & CLONE_VM) === 0 ? forkTook(parent, this.scanner.nowNs) : null
    this.#otherEvent(parent)
    if ((flags & CLONE_VM) === 0) this.activity.begin(parent)
    if (took !== null)
      for (const census of this.census.of(parent.process.name))
        census.call('fork', took, parent.runningUnforked)
    this.processes.created(parent, tid, flags)
  }

  /** exec has passed the point of no return. Returns the thread, which is another one if the process is another. */
  #newImage(thread: Thread): Thread {
    const executing = this.processes.newImage(thread)
    if (executing === thread) this.activity.begin(thread)
    return executing
  }

  /** The thread of the present event, alive. */
  #active(): Thread {
    const thread = this.#current()
    return thread.sinks.length > 0 ? thread : this.processes.successor(thread)
  }

  exec(name: string): void {
    let thread = this.#current()
    this.#otherEvent(thread)
    // exec shows [stack] first, unless perf recorded no data mappings.
    if (!thread.process.space.inExec) thread = this.#newImage(thread)
    const { process } = thread
    process.space.inExec = false
    process.name = fileName(name)
    process.loadNs = thread.cpuNs(this.scanner.nowNs)
    process.isLoading = true
  }

  exit(groupDead: boolean, locks: number): void {
    const thread = this.#current()
    this.locks.wereOfExit(thread, locks)
    this.faults.settle(thread, NEXT_EXIT)
    this.#otherEvent(thread)
    this.activity.begin(thread)
    this.processes.holdSpace(thread, groupDead)
    this.processes.leave(thread)
    thread.exitNs = this.scanner.nowNs
    this.activity.isAt(thread, 'sleeping')
    if (groupDead) this.#hasEnded(thread.process)
  }

  #hasEnded(process: Process): void {
    process.ended = true
    if (process.parent !== null) process.parent.endedChild = { process, ns: this.scanner.nowNs }
  }

  /** Any event that ends what a fault or a try for the lock had begun. */
  #otherEvent(thread: Thread): void {
    if (thread.faultIsOpen) this.faults.settle(thread, NEXT_OTHER)
    this.activity.settleReturn(thread)
    thread.inFault = false
    thread.faultLock = -1
    thread.forkNs = -1
    this.locks.endTry(thread)
  }

  // ---- page faults, the mmap lock, processors

  fault(address: number, errorCode: number, kernel: boolean, from: string | number): void {
    this.faults.fault(this.#current(), address, errorCode, kernel, from)
  }

  lock(mm: number, started: boolean, write: boolean, success: boolean): void {
    const hasWaited = this.locks.lock(this.#current(), mm, started, write, success)
    if (started || !success) return
    this.#sampled = null
    this.scanner.takesStack = hasWaited && this.#observers.length > 0
  }

  unlock(mm: number): void {
    this.locks.unlock(this.#current(), mm)
  }

  switchedOut(preempted: boolean): void {
    this.activity.switchedOut(preempted)
  }

  switchedIn(tid: number): void {
    this.activity.switchedIn(tid)
  }

  woke(tid: number): void {
    this.activity.woke(tid)
    this.locks.history.woke(tid, this.scanner.tid, this.scanner.nowNs)
  }

  // ---- samples of the CPU

  sample(address: number, symbol: string): void {
    // The idle task of a CPU.
    if (this.scanner.tid === 0) return
    const thread = this.#current()
    if (GO_FUNCTION.test(symbol)) thread.process.allocators.add('go')
    thread.process.samples++
    if (isCollecting(symbol, this.scanner.comm())) thread.process.collecting++
    const isLast = thread.faultIsOpen
      ? thread.faultLock < 0 && !thread.lockPending
      : thread.returnedFrom !== ''
    this.#sampled = isLast && address < 0 ? thread.samples : null
    if (!isLast && address >= 0) thread.process.computing++
    if (!isLast) return
    if (address < 0) thread.samples.ofKernel()
    else if (!thread.samples.ofProgram(address, symbol)) thread.process.computing++
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
    this.faults.settle(thread, mapsOver(thread, kind, values) ? NEXT_EXIT : NEXT_OTHER)
    this.#otherEvent(thread)
    thread.callNs = this.scanner.nowNs
    if (kind === CALL_MADVISE && values[2] === MADV_HUGEPAGE) this.hugeAdvised++
    this.activity.begin(thread)
    this.calls.enter(thread, kind, values, this.locks.count > 0)
  }

  exitCall(kind: number, result: number): void {
    const thread = this.#current()
    this.#otherEvent(thread)
    const { active } = thread.call
    const gaveBack = this.calls.exit(thread, kind, result)
    const took = this.times.end(thread.sinks, thread, this.scanner.nowNs)
    if (!active) return
    const name = CALL_NAMES[kind]!
    const counted = gaveBack && kind === CALL_MMAP ? MMAP_OVER : name
    if (took !== null)
      for (const census of this.census.of(thread.process.name)) census.call(counted, took, thread.running)
    if (kind === CALL_MUNMAP) isLoaded(thread, this.scanner.nowNs)
    thread.returnedFrom = counted
    thread.samples.begin(name, true)
    for (const observer of this.#observers) observer.call(thread, name, thread.callNs, this.scanner.nowNs)
  }

  // ---- mappings that perf reports

  mapRecord(record: MapRecord): void {
    this.mapRecords++
    const { seconds, nanoseconds } = this.scanner
    const made = seconds === 0 && nanoseconds === 0
    // What perf makes up has the process in its fields only.
    let thread = made ? this.processes.find(record.pid, record.tid) : this.#current()
    if (record.start >= KERNEL_ADDRESSES) return
    this.#checkRange(record)
    const found = allocatorOf(record.name)
    if (found !== undefined) thread.process.allocators.add(found.allocator)
    const { call } = thread
    let { process } = thread
    if (call.active && call.kind !== CALL_MUNMAP && call.kind !== CALL_MADVISE) {
      call.record = record
      return
    }
    const mapping = this.#mappingOf(record)
    const { start, end } = mapping
    if (made) {
      this.attached = true
      this.#nameProgram(process, record)
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
    if (thread.holdsWrite) this.locks.owners.isOwn(thread, thread.heldLock)
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

  /** Node calls its first thread so, whatever the program: its file, the first that can run, tells more. */
  #nameProgram(process: Process, { name, protection }: MapRecord): void {
    if (process.name === NODE_MAIN_THREAD && (protection & PROT_EXEC) !== 0 && name.startsWith('/'))
      process.name = fileName(name)
  }

  #checkRange({ start, length }: MapRecord): void {
    if (start + pageUp(length) > USER_ADDRESSES || length === 0 || start % PAGE_SIZE !== 0)
      throw this.scanner.outOfRange(`a mapping of ${length} bytes at 0x${start.toString(16)}`)
  }

  #mappingOf({ start, length, protection, shared, file, offset, name }: MapRecord): Mapping {
    return {
      start,
      end: start + pageUp(length),
      protection,
      shared,
      file: this.calls.fileFor(file, offset),
      offset: file === '' ? 0 : offset,
      growsDown: name === '[stack]',
    }
  }

  comment(line: string): void {
    this.kernel.read(line)
    // There may be some that the program never got.
    this.scanner.cpus = Math.max(this.scanner.cpus, this.kernel.cpus)
    const [, kept, written] = FTRACE_KEPT.exec(line) ?? []
    if (kept !== undefined) this.overwrittenEvents = Number(written) - Number(kept)
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
    for (const thread of this.processes.threads()) {
      if (thread.faultIsOpen) this.faults.settle(thread, NEXT_END)
      if (thread.call.active) this.calls.abandon(thread, false)
    }
  }
}

/** glibc's loader of shared libraries ends with a munmap, of the list of where they are; others do not. */
function isLoaded(thread: Thread, now: number): void {
  const { process } = thread
  if (!process.isLoading || !process.allocators.has('glibc')) return
  process.loadNs = thread.cpuNs(now)
  process.isLoading = false
}

/** Whether a call is to change what is mapped where the thread's last fault was, as handlers of a SIGSEGV do. */
function mapsOver(thread: Thread, kind: number, values: Float64Array): boolean {
  if (kind !== CALL_MMAP && kind !== CALL_MPROTECT) return false
  const [start, length] = values as unknown as [number, number]
  return thread.faultAddress >= start && thread.faultAddress < start + length
}

/** What a fork took its thread since it asked for the lock of what it copies (dup_mmap of kernel/fork.c). */
function forkTook({ forkNs, forkOffNs, awayNs, queuedNs }: Thread, now: number): Durations | null {
  if (forkNs < 0) return null
  const offNs = Math.max(0, awayNs + queuedNs - forkOffNs)
  return { ...NO_DURATIONS, ownNs: Math.max(0, now - forkNs - offNs) }
}
