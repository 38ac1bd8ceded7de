/**
 * Recorded events of the mmap lock: whose lock it is, what it is taken for, who waits, and for how long.
 */
import type { CpuUse } from './cpu-use.ts'
import { UNEXPLAINED_WAIT_NS } from './linux-locks.ts'
import { LockHistory, type LockUser, OF_ANOTHER } from './lock-history.ts'
import { LockOwners } from './lock-owners.ts'
import type { ImportObserver } from './observer.ts'
import { NO_DURATIONS } from './operation-clock.ts'
import type { RecordedCalls } from './recorded-calls.ts'
import type { Thread } from './recorded-thread.ts'
import type { RecordedTimes } from './recorded-times.ts'
import { CALL_MMAP, CALL_NAMES } from './trace-events.ts'
import type { Scanner } from './scanner.ts'
import type { ThreadActivity } from './thread-activity.ts'

/** What of an import the events of the lock need. */
export interface LockParts {
  readonly scanner: Scanner
  readonly times: RecordedTimes
  readonly calls: RecordedCalls
  readonly activity: ThreadActivity
  readonly observers: readonly ImportObserver[]
}

export class LockEvents {
  count = 0
  /** Faults of the kernel that took the lock. */
  kernelFaults = 0
  readonly history: LockHistory
  readonly owners = new LockOwners()
  /** From asking for the lock to having it, where nobody kept it, in nanoseconds, and how often. */
  #unheldNs = 0
  #unheld = 0
  readonly #in: LockParts
  readonly #cpuUse: CpuUse

  constructor(parts: LockParts) {
    this.#in = parts
    this.#cpuUse = parts.activity.cpuUse
    this.history = new LockHistory(parts.observers)
  }

  /**
   * @param mm whose lock
   * @param started whether it is asked for; else it was got, or not
   * @returns whether the thread got it after a wait
   */
  lock(thread: Thread, mm: number, started: boolean, write: boolean, success: boolean): boolean {
    const { process } = thread
    this.count++
    const ofFault = this.#isOfFault(thread, mm, write)
    if (started) {
      // A try that failed and the wait that follows are one acquisition.
      if (!(thread.lockPending && thread.lockContended)) {
        thread.lockSeconds = this.#in.scanner.seconds
        thread.lockNanoseconds = this.#in.scanner.nanoseconds
        thread.lockContended = false
        thread.lockSlept = false
        thread.operation.asks()
        thread.idleWhenAsked = this.#cpuUse.idleNs(this.#in.scanner.nowNs)
        thread.sharedWhenAsked = process.atWork.sharedNs(this.#in.scanner.nowNs)
      }
      this.#in.activity.settleReturn(thread)
      if (write && !thread.call.active && thread.forkNs < 0) {
        thread.forkNs = this.#in.scanner.nowNs
        thread.forkOffNs = thread.awayNs + thread.queuedNs
      }
      thread.lockPending = true
      this.history.started(mm, thread.tid, write, this.#in.scanner.nowNs)
      return false
    }
    if (!success) {
      thread.lockContended = true
      return false
    }
    const hasWaited = this.#gotLock(thread, mm, write, ofFault)
    // munmap goes on with the lock held for reading only, which shows as one more acquisition.
    thread.holdsWrite = write
    thread.heldLock = mm
    const { call } = thread
    if (write && call.active && !call.committed) this.#in.calls.commit(thread)
    return hasWaited
  }

  /**
   * Whether a thread takes a lock for its last fault: the first that it takes after it, for reading, and its own, until
   * it gives that back, and before the program is seen to have gone on. What it takes afterwards is for what it does
   * next, recorded or not (a read of /proc/PID/smaps).
   */
  #isOfFault(thread: Thread, mm: number, write: boolean): boolean {
    if (!thread.inFault) return thread.faultLock === mm
    thread.inFault = false
    if (write || thread.samples.goesOn || this.owners.isForeign(thread, mm)) return false
    thread.faultLock = mm
    thread.faultTookLock = true
    thread.faultLocks = 0
    if (thread.faultIsKernel) this.kernelFaults++
    thread.process.locks.faultsUnderLock++
    for (const { space, seat } of thread.sinks) space.faultTookLock(seat)
    return true
  }

  /**
   * A thread ends, for which Linux takes the mmap lock for reading `locks` times: if it has not taken the lock more
   * often since its last fault, that was to end, and not for the fault. A fault of the kernel, and one outside every
   * mapping, took it for themselves.
   */
  wereOfExit(thread: Thread, locks: number): void {
    const { faultIsOpen, faultTookLock, faultLocks, faultIsKernel, faultIsOutside } = thread
    if (!faultIsOpen || !faultTookLock || faultLocks > locks || faultIsKernel || faultIsOutside) return
    thread.faultTookLock = false
    thread.process.locks.faultsUnderLock--
    for (const { space, seat } of thread.sinks) space.faultTookNoLock(seat)
    if (thread.faultLockedNs < 0) return
    this.#in.times.goesOn(thread.sinks, thread, thread.faultNs, thread.faultTook)
    thread.faultLockedNs = -1
    thread.faultTook = NO_DURATIONS
  }

  /**
   * What it takes to write an event, in nanoseconds: on average until a thread that asks for the lock has it, where
   * nobody keeps it. Times of whole units are cut off at both ends, so that their mean is right.
   */
  get eventNs(): number {
    return this.#unheld === 0 ? 0 : this.#unheldNs / this.#unheld
  }

  /** Returns whether it waited. */
  #gotLock(thread: Thread, mm: number, write: boolean, ofFault: boolean): boolean {
    const { process } = thread
    thread.faultLocks++
    let waited = -1
    const hasFailed = thread.lockContended
    const isKnown = hasFailed || thread.lockSlept || this.history.isKept(mm, thread.tid)
    if (thread.lockPending) {
      const { seconds, nanoseconds } = this.#in.scanner
      const ns = (seconds - thread.lockSeconds) * 1e9 + nanoseconds - thread.lockNanoseconds
      if (isKnown) {
        waited = ns
        if (!ofFault && !thread.call.active) this.#in.times.waited(thread, ns)
        thread.waitedNs += ns
        process.locks.waited(write, ns)
      } else if (ns >= UNEXPLAINED_WAIT_NS) {
        waited = ns
      } else {
        this.#unheldNs += ns
        this.#unheld++
      }
    }
    const awayNs = thread.operation.got(write, waited, this.#in.scanner.nowNs)
    if (waited >= 0 && isKnown)
      this.#cpuUse.waited(waited, awayNs, this.#cpuUse.idleNs(this.#in.scanner.nowNs) - thread.idleWhenAsked)
    thread.shortWhenGot = this.#cpuUse.shortNs(this.#in.scanner.nowNs)
    if (thread.lockPending || !thread.holdsWrite) process.locks.acquired(write)
    thread.lockPending = false
    thread.lockContended = false
    thread.activity++
    if (write && thread.call.active) this.owners.isOwn(thread, mm)
    const isForeign = this.owners.isOfAnother(thread, mm)
    if (!isForeign && ofFault) this.owners.isOwn(thread, mm)
    if (waited >= 0 && isKnown && !isForeign) {
      thread.ownWaits++
      thread.ownWaitedNs += waited
    }
    const user = this.#lockUser(thread, mm, write, ofFault, isForeign)
    const delayedNs = process.atWork.sharedNs(this.#in.scanner.nowNs) - thread.sharedWhenAsked
    const wait = {
      waitedNs: waited,
      delayedNs: Math.min(Math.max(0, waited), delayedNs),
      hasFailed,
      hasSlept: this.#in.times.hasSwitches ? thread.lockSlept : null,
    }
    this.history.acquired(mm, user, isForeign, wait, this.#in.scanner.nowNs, this.#in.scanner.line)
    return waited >= 0
  }

  #lockUser(thread: Thread, mm: number, write: boolean, ofFault: boolean, isForeign: boolean): LockUser {
    const { process, tid, call } = thread
    const comm = this.#in.scanner.comm()
    thread.comm = comm
    let what = thread.otherCall ?? (isForeign ? OF_ANOTHER : 'other')
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
      mapping: this.#in.calls.nameOf(mapping),
      owner: isForeign ? this.owners.ownerOf(thread, mm) : { process: process.name, pid: process.pid },
    }
  }

  unlock(thread: Thread, mm: number): void {
    thread.holdsWrite = false
    const ownNs = thread.operation.released(this.#in.scanner.nowNs)
    const shortNs = Math.min(ownNs, this.#cpuUse.shortNs(this.#in.scanner.nowNs) - thread.shortWhenGot)
    if (thread.faultLock === mm) {
      thread.faultLockedNs = this.#in.scanner.nowNs - thread.faultNs
      thread.faultTook = this.#in.times.end(thread.sinks, thread, this.#in.scanner.nowNs) ?? NO_DURATIONS
      thread.faultLock = -1
      thread.samples.begin(thread.faultFrom, false)
    }
    this.history.released(mm, thread.tid, this.#in.scanner.nowNs, shortNs)
  }

  /** A thread whose try for the lock failed does not wait for it. */
  endTry(thread: Thread): void {
    if (!thread.lockContended) return
    thread.lockContended = false
    this.history.gaveUp(thread.tid)
  }
}
