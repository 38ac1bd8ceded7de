/**
 * Threads and processes as the importer follows them: where what they do is recorded, the call that each is in, and how
 * it stands with the mmap lock.
 */
import type { Allocator } from './allocators.ts'
import { AtWork, type CpuState } from './cpu-use.ts'
import { type FaultCounts, PresentPages } from './given-back.ts'
import type { Mapping } from './layout.ts'
import type { LockRecord } from './linux-locks.ts'
import { type Durations, NO_DURATIONS, OperationClock } from './operation-clock.ts'
import type { RecordedSpace } from './recorded-space.ts'
import type { MapRecord } from './trace-events.ts'
import { ThreadSamples } from './thread-samples.ts'

/** Where a thread's operations are recorded. */
export interface Sink {
  readonly space: RecordedSpace
  readonly seat: number
  /** For a borrowed address space: the seat of the lender, which waits until it is given back; else -1. */
  readonly lender: number
}

/** A record that waits for the end of its call. */
export interface Reserved {
  readonly space: RecordedSpace
  readonly position: number
  /** For mappings implied by the call. */
  readonly implied: Mapping | null
  /** What the call took out of the layout, to be put back if Linux refused it. */
  readonly removed: Mapping[] | null
}

/** The call that a thread is in. */
export class Call {
  active = false
  kind = 0
  readonly values = new Float64Array(6)
  committed = false
  reserved: Reserved[] = []
  record: MapRecord | null = null
}

export class Thread {
  readonly tid: number
  readonly process: Process
  sinks: Sink[] = []
  readonly call = new Call()
  /** The system call that it is in, if that is none of memory; null outside, or if those are not recorded. */
  otherCall: string | null = null
  // The mmap lock.
  lockPending = false
  lockContended = false
  /** It gave up its CPU by itself since it asks for the lock. */
  lockSlept = false
  lockSeconds = 0
  lockNanoseconds = 0
  /** For how long there had been an idle CPU when it began to ask for the lock. */
  idleWhenAsked = 0
  /** And {@link AtWork.sharedNs}. */
  sharedWhenAsked = 0
  /** For how long threads had lacked a CPU when it got the lock. */
  shortWhenGot = 0
  cpuState: CpuState = 'sleeping'
  /** For how long it had a CPU until that changed last, and when that was. */
  #cpuNs = 0
  #cpuStateNs = 0
  /** For how long it slept, until it last ran again. */
  sleptNs = 0
  /** Another thread created it while it was recorded. */
  isCreated = false
  /** The last process that it created and that has ended, and when, until it has slept. */
  endedChild: { readonly process: Process; readonly ns: number } | null = null
  /** Its faults that memory given back before could have saved. */
  avoidableFaults = 0
  /** What that was counted for. */
  program: { readonly counts: readonly FaultCounts[]; readonly isForked: boolean } | null = null
  /** When it was woken while a CPU was idle, if it has not run since; else -1. */
  wokenNs = -1
  holdsWrite = false
  /** When it asked for a lock for writing outside of all calls, as fork does, if it did nothing else since; else -1. */
  forkNs = -1
  /** For how long it had had no CPU then. */
  forkOffNs = 0
  /** The last lock that it got. */
  heldLock = -1
  /** Its last event was a fault, so that a lock for reading belongs to that. */
  inFault = false
  /** Its last fault: not over until it does something else than to take the lock for it. */
  faultIsOpen = false
  faultAddress = 0
  /** Its error code. */
  faultCode = 0
  faultIsKernel = false
  faultIsOutside = false
  faultTookLock = false
  /** How often it took a lock since, that of the fault included. */
  faultLocks = 0
  /** The lock that it took for its last fault and has not given back, or -1. */
  faultLock = -1
  faultNs = 0
  /** From the beginning of its last fault until it gave the mmap lock back, or -1. */
  faultLockedNs = -1
  /** Of it, what the thread itself took. */
  faultTook: Durations = NO_DURATIONS
  /** Of a fault of the kernel: the call that it was taken in. */
  faultCall = ''
  /** Memory given back before could have saved its last fault. */
  faultIsAvoidable = false
  /** Its last fault was on a page of a file that its process had mapped before. */
  faultIsAgain = false
  /** Its last fault was a write to a page that a fork had made read-only. */
  faultIsOfFork = false
  /** Its last fault was on a new page of anonymous memory. */
  faultIsNew = false
  mapping: Mapping | undefined = undefined
  comm = ''
  callNs = 0
  /** Threads of its program that had a CPU when its fault or call began; without those of forked processes. */
  running = 0
  runningUnforked = 0
  readonly samples = new ThreadSamples()
  /** The memory call that was its last event; '' else. */
  returnedFrom = ''
  /** Where its last fault was taken. */
  faultFrom: string | number = ''
  // Where it stands in time, see recorded-times.ts.
  endNs = -1
  endIsKnown = true
  awayNs = 0
  /** How much of what passed since it had no processor because others had it. */
  queuedNs = 0
  /** Since when it has no processor, or -1, and whether that was taken from it. */
  outNs = -1
  preempted = false
  readonly operation = new OperationClock()
  cpu = -1
  displacedNs = 0
  displacedFrom = -1
  /** Waits for the mmap lock, and how much it did that may need it. */
  waitedNs = 0
  /** Of these, for the lock of its own process. */
  ownWaits = 0
  ownWaitedNs = 0
  activity = 0
  readonly firstNs: number
  /** When it ended, or -1. */
  exitNs = -1

  constructor(tid: number, process: Process, firstNs: number) {
    this.tid = tid
    this.process = process
    this.firstNs = firstNs
  }

  isAt(state: CpuState, now: number): void {
    this.#cpuNs = this.cpuNs(now)
    // One that was just created is about to run.
    if (this.cpuState === 'sleeping' && this.#cpuStateNs > 0)
      this.sleptNs += Math.max(0, now - this.#cpuStateNs)
    this.#cpuStateNs = now
    this.cpuState = state
  }

  /** For how long it has had a CPU. */
  cpuNs(now: number): number {
    return this.#cpuNs + (this.cpuState === 'running' ? Math.max(0, now - this.#cpuStateNs) : 0)
  }
}

export class Process {
  readonly pid: number
  name: string
  faults = 0
  readonly threads: Thread[] = []
  readonly atWork = new AtWork()
  readonly locks: LockRecord
  images: RecordedSpace[]
  space: RecordedSpace
  firstNs = -1
  lastNs = 0
  ended = false
  /** How often it has forked. */
  forks = 0
  /** It was forked while it was recorded, and has not called exec. */
  isForked = false
  /** CPU time until what exec loads last was loaded, see ProgramSummary; -1 before exec. */
  loadNs = -1
  isLoading = false
  /** Who created it, if that is recorded; and how long that one slept when it had ended. */
  parent: Thread | null = null
  waitedForNs = 0
  /** Samples of the CPU: all, and those in a collector of garbage. */
  samples = 0
  collecting = 0
  /** Of these: in the program, and not at an instruction that had faulted. */
  computing = 0
  /** Allocators that it maps. */
  allocators = new Set<Allocator>()
  /** By file: the pages that faults have mapped. */
  readonly mappedPages = new Map<number, PresentPages>()
  /** Pages that were given back, and that no fault has taken again. */
  stock = 0
  /** All pages that were given back; and of these, what was unmapped with a reserved range, see RESERVED_BYTES. */
  givenBack = 0
  reservedBack = 0
  /** The address space that threads use of which the trace knows only that one of them has not ended. */
  held: RecordedSpace | null = null

  constructor(pid: number, name: string, space: RecordedSpace, locks: LockRecord) {
    this.pid = pid
    this.name = name
    this.space = space
    this.images = [space]
    this.locks = locks
  }

  /** What it took to end it, as who waited for it tells; at most what it took to load it, as one may sleep for more. */
  get endNs(): number {
    return Math.min(this.waitedForNs, Math.max(0, this.loadNs))
  }

  /** A fault maps a page of a file. Returns whether one had done so before. */
  mapsAgain(file: number, page: number): boolean {
    let pages = this.mappedPages.get(file)
    if (pages === undefined) this.mappedPages.set(file, (pages = new PresentPages()))
    return !pages.add(page)
  }

  /** How long its threads lived, summed up, in nanoseconds. */
  get threadNs(): number {
    return this.threads.reduce((sum, thread) => sum + this.aliveNs(thread), 0)
  }

  /** How long one of its threads lived, in nanoseconds. */
  aliveNs({ firstNs, exitNs }: Thread): number {
    return Math.max(0, (exitNs < 0 ? this.lastNs : exitNs) - Math.max(firstNs, this.firstNs))
  }
}
