/**
 * What a page about a recording shows beyond the sums: threads over time, faults by kind and mapping, and where the
 * time that was waited for the mmap lock went. Collected while the trace is read, in bounded memory.
 */
import { FaultKinds, type FaultKind, type MappedFaults } from './fault-kinds.ts'
import type { Mapping } from './layout.ts'
import type { LockUser } from './lock-history.ts'
import type { ImportObserver } from './observer.ts'
import type { Thread } from './recorded-thread.ts'
import { Timeline, type Lane } from './timeline.ts'
import { WaitTree, type WaitNode } from './wait-tree.ts'

/** One thread over time. Of each slice: nanoseconds waited for the mmap lock and held it; page faults. */
export interface ThreadLane {
  readonly process: string
  readonly pid: number
  readonly comm: string
  readonly tid: number
  readonly waited: readonly number[]
  readonly heldWrite: readonly number[]
  readonly heldRead: readonly number[]
  readonly faults: readonly number[]
  /** Of all slices. */
  readonly waits: number
  readonly waitedNs: number
  readonly heldWriteNs: number
  readonly heldReadNs: number
  readonly faultCount: number
  readonly calls: number
}

export interface RecordedDetail {
  /** The length of a slice in nanoseconds, and how many there are, from the first event on. */
  readonly sliceNs: number
  readonly slices: number
  /** Those that did most come first: by time waited, then held, then faults. */
  readonly lanes: readonly ThreadLane[]
  readonly faultKinds: readonly FaultKind[]
  readonly mappings: readonly MappedFaults[]
  readonly waits: {
    /** Process, thread, call, and the holder that kept it for most of the time. */
    readonly byCall: WaitNode
    /** Process, then the stack; null where no stacks were recorded. */
    readonly byStack: WaitNode | null
  }
}

export class DetailCollector implements ImportObserver {
  readonly #timeline = new Timeline()
  readonly #kinds = new FaultKinds()
  readonly #byCall = new WaitTree()
  readonly #byStack = new WaitTree()
  #frames: string[] = []
  #hasStacks = false
  #open: { readonly user: LockUser; readonly ns: number } | null = null

  begin(ns: number): void {
    this.#timeline.begin(ns)
  }

  wait(user: LockUser, holder: LockUser | null, startNs: number, endNs: number): void {
    const lane = this.#lane(user)
    lane.waits++
    this.#timeline.span(lane.waited, startNs, endNs)
    const ns = endNs - startNs
    const kept =
      holder === null
        ? 'kept by a holder that the trace does not show'
        : `kept by ${holder.comm}: ${holder.call}`
    this.#byCall.add([processOf(user), user.comm, user.call, kept], ns)
    this.#closeStack()
    this.#open = { user, ns }
  }

  frame(symbol: string): void {
    this.#frames.push(symbol)
    this.#hasStacks = true
  }

  #closeStack(): void {
    if (this.#open !== null) {
      const { user, ns } = this.#open
      this.#byStack.add([processOf(user), ...this.#frames.toReversed()], ns)
    }
    this.#open = null
    this.#frames = []
  }

  hold(user: LockUser, startNs: number, endNs: number): void {
    const lane = this.#lane(user)
    this.#timeline.span(user.write ? lane.heldWrite : lane.heldRead, startNs, endNs)
  }

  fault(thread: Thread, nameOf: (mapping: Mapping | undefined) => string): void {
    const { pid, name } = thread.process
    const lane = this.#timeline.lane(pid, thread.tid, name, thread.comm)
    this.#timeline.count(lane.faults, thread.faultNs)
    this.#kinds.add(thread, nameOf)
  }

  call(thread: Thread): void {
    const { pid, name } = thread.process
    this.#timeline.lane(pid, thread.tid, name, thread.comm).calls++
  }

  #lane({ pid, tid, process, comm }: LockUser): Lane {
    return this.#timeline.lane(pid, tid, process, comm)
  }

  /** What was collected, when the trace has been read. */
  result(): RecordedDetail {
    this.#closeStack()
    const { sliceNs, length } = this.#timeline
    return {
      sliceNs,
      slices: length,
      lanes: this.#timeline.lanes
        .map((lane) => laneOf(lane, length))
        .toSorted((a, b) => weightOf(b) - weightOf(a) || b.faultCount - a.faultCount || a.tid - b.tid),
      faultKinds: this.#kinds.kinds(),
      mappings: this.#kinds.mappings(),
      waits: { byCall: this.#byCall.result(), byStack: this.#hasStacks ? this.#byStack.result() : null },
    }
  }
}

function processOf({ process, pid }: LockUser): string {
  return `${process} (${pid})`
}

function laneOf(lane: Lane, length: number): ThreadLane {
  const { process, pid, comm, tid, waits, calls } = lane
  const [waited, heldWrite, heldRead, faults] = lane.series.map((one) =>
    [...one.subarray(0, length)].map(Math.round),
  ) as [number[], number[], number[], number[]]
  return {
    process,
    pid,
    comm,
    tid,
    waited,
    heldWrite,
    heldRead,
    faults,
    waits,
    waitedNs: sum(waited),
    heldWriteNs: sum(heldWrite),
    heldReadNs: sum(heldRead),
    faultCount: sum(faults),
    calls,
  }
}

function weightOf({ waitedNs, heldWriteNs, heldReadNs }: ThreadLane): number {
  return waitedNs + heldWriteNs + heldReadNs
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
