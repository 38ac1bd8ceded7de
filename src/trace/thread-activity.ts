/**
 * What recorded threads are at: whether they have a CPU, sleep or wait, and how long what they do takes them.
 */
import { CpuUse, type CpuState } from './cpu-use.ts'
import type { CensusByProgram } from './given-back.ts'
import { LackObserver } from './lacked-cpus.ts'
import { RECORD_SLEEP, RECORD_WAKE } from './records.ts'
import type { RecordedProcesses } from './recorded-processes.ts'
import type { Recording } from './recorded-space.ts'
import type { Thread } from './recorded-thread.ts'
import type { RecordedTimes } from './recorded-times.ts'
import type { Scanner } from './scanner.ts'

export class ThreadActivity {
  readonly cpuUse = new CpuUse()
  /** Where times are recorded for a simulation. */
  readonly lacked: LackObserver | null
  readonly #scanner: Scanner
  readonly #recording: Recording
  readonly #times: RecordedTimes
  readonly #processes: RecordedProcesses
  readonly #census: CensusByProgram

  constructor(
    scanner: Scanner,
    recording: Recording,
    times: RecordedTimes,
    processes: RecordedProcesses,
    census: CensusByProgram,
  ) {
    this.#scanner = scanner
    this.#recording = recording
    this.#times = times
    this.#processes = processes
    this.#census = census
    this.lacked = recording.times === null ? null : new LackObserver()
  }

  isAt(thread: Thread, state: CpuState): void {
    // The idle task of a CPU.
    if (thread.cpuState === state || thread.tid === 0) return
    // perf stops watching a thread before that gives up its CPU for the last time.
    if (thread.exitNs >= 0 && state !== 'sleeping') return
    this.cpuUse.changed(thread.cpuState, state, this.#scanner.cpus, this.#scanner.nowNs)
    thread.process.atWork.changed(thread.cpuState, state, this.#scanner.nowNs)
    this.#countCpus(thread, state)
    this.#noteLack(thread, state)
    thread.isAt(state, this.#scanner.nowNs)
  }

  #noteLack({ tid, cpuState }: Thread, state: CpuState): void {
    const { lacked } = this
    if (lacked === null) return
    const { nowNs, cpu } = this.#scanner
    // A CPU that is given from one thread to another is lacked by none meanwhile.
    if (state === 'queued') lacked.lacks(cpuState !== 'running', this.#scanner.cpus, nowNs)
    if (cpuState === 'running') lacked.leaves(tid, nowNs)
    if (state === 'running' && cpu >= 0) lacked.runs(tid, cpu, nowNs)
    if (cpuState === 'queued') lacked.lacksNoMore(nowNs)
  }

  /** exec may have made another program of the thread's process since it last changed. */
  #countCpus(thread: Thread, state: CpuState): void {
    const { cpuState, program, process } = thread
    const now = this.#scanner.nowNs
    if (program !== null)
      for (const { cpus } of program.counts) cpus.changed(program.isForked, cpuState, 'sleeping', now)
    // One that forks itself, as a server that has become a daemon, is no helper of another.
    const isForked = process.isForked && process.forks === 0
    const counts = this.#census.of(process.name)
    for (const { cpus } of counts) cpus.changed(isForked, 'sleeping', state, now)
    if (program === null || program.counts !== counts || program.isForked !== isForked)
      thread.program = { counts, isForked }
  }

  /** A thread begins something that is recorded: what passed since it ended something else is known now. */
  begin(thread: Thread): void {
    this.settleReturn(thread)
    this.#times.begin(thread.sinks, thread, this.#scanner.nowNs)
    const [, program] = this.#census.of(thread.process.name)
    thread.running = this.#times.hasSwitches ? program.cpus.running : 0
    thread.runningUnforked = this.#times.hasSwitches ? program.cpus.runningUnforked : 0
  }

  /** A thread does something else after a memory call. */
  settleReturn(thread: Thread): void {
    if (thread.returnedFrom === '') return
    const ns = this.#times.passed(thread, this.#scanner.nowNs)
    const samples = thread.samples.counts()
    for (const census of this.#census.of(thread.process.name))
      census.returned(thread.returnedFrom, ns, samples)
    thread.returnedFrom = ''
  }

  switchedOut(preempted: boolean): void {
    const thread = this.#processes.byTid(this.#scanner.tid)
    if (thread === undefined) return
    this.#times.switchedOut(thread, this.#scanner.nowNs, preempted)
    if (!preempted && thread.lockPending) thread.lockSlept = true
    this.isAt(thread, preempted ? 'queued' : thread.lockPending ? 'waiting' : 'sleeping')
    if (this.#recording.times === null) return
    const [sink] = thread.sinks
    if (preempted || sink === undefined || isWithin(thread)) return
    this.begin(thread)
    sink.space.marker(RECORD_SLEEP, sink.seat, 0)
    this.#recording.seats[sink.seat]!.operations++
  }

  /** A thread wakes another, which sleeps between two of its operations: then it sleeps until that comes. */
  woke(tid: number): void {
    const thread = this.#processes.byTid(this.#scanner.tid)
    const other = this.#processes.byTid(tid)
    if (other?.cpuState === 'sleeping' || other?.cpuState === 'waiting') {
      other.wokenNs = this.cpuUse.hasIdle ? this.#scanner.nowNs : -1
      this.isAt(other, 'queued')
    }
    if (this.#recording.times === null || thread === undefined || other === undefined || other === thread)
      return
    const [sink] = thread.sinks
    const [slept] = other.sinks
    if (other.outNs < 0 || other.preempted || isWithin(other) || isWithin(thread)) return
    if (sink === undefined || slept === undefined) return
    this.begin(thread)
    sink.space.marker(RECORD_WAKE, sink.seat, slept.seat)
    // From now on it only waits for a processor.
    this.#times.switchedIn(other, this.#scanner.nowNs)
    this.#times.switchedOut(other, this.#scanner.nowNs, true)
  }

  switchedIn(tid: number): void {
    const thread = this.#processes.byTid(tid)
    if (thread === undefined) return
    const { endedChild } = thread
    if (endedChild !== null)
      endedChild.process.waitedForNs = this.#scanner.nowNs - Math.max(endedChild.ns, thread.outNs)
    thread.endedChild = null
    if (thread.wokenNs >= 0) this.cpuUse.ran(this.#scanner.nowNs - thread.wokenNs)
    thread.wokenNs = -1
    this.#times.switchedIn(thread, this.#scanner.nowNs)
    this.isAt(thread, 'running')
  }
}

/** Whether a thread is in a call or a wait that is recorded, or in a fault that holds the lock. */
function isWithin({ call, lockPending, faultLock }: Thread): boolean {
  return call.active || lockPending || faultLock >= 0
}
