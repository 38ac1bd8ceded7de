/**
 * What the main thread and the workers of a replay tell each other.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import type { MachineHandle, MemoryFileHandle, Protection } from '../backends/threads/index.ts'
import type { WordStreamHandle } from './op-store.ts'
import type { ImagePlan } from './plan-types.ts'

/** Protections by their bits: 1 read, 2 write, 4 execute. */
export const PROTECTIONS: readonly Protection[] = ['none', 'r', 'w', 'rw', 'x', 'rx', 'wx', 'rwx']

/** Why a recorded fault was not reproduced. */
export type NotReproducedKind =
  /** The same thread's earlier fault had brought the page in already. */
  | 'alreadyMapped'
  /** Another thread's fault on the page came first; when the program was recorded, both found it missing. */
  | 'mappedByAnotherThread'
  /** The page was mapped around a neighbour's fault. */
  | 'mappedByFaultAround'
  /** A fault occurred, but of another kind than recorded. */
  | 'otherKind'
  /** No fault occurred, for none of the reasons above. */
  | 'noFault'
  /** The access failed. */
  | 'failed'
  /** Linux refused the access, and here it succeeded. */
  | 'notRefused'
  /** Not performed: no recorded mapping is there. */
  | 'outsideAnyMapping'
  /** Not performed: an address of the kernel. */
  | 'kernelAddress'

/** A recorded fault that was not reproduced. */
export interface UnmatchedFault {
  /** Line of the trace, from 1. */
  readonly line: number
  readonly tid: number
  readonly kind: NotReproducedKind
}

/** An access or a call that failed in the replay though it did not in Linux. */
export interface Failure {
  readonly operation: string
  /** Address in the replay, in bytes. */
  readonly address: number
  /** Recorded thread. */
  readonly tid: number
  /** Of an access, the line of the trace that has its fault. */
  readonly line?: number
  readonly error: string
}

export interface ReplayWorkerData {
  readonly machine: MachineHandle
  readonly pacing: SharedArrayBuffer
  readonly worker: number
}

export type ToReplayWorker =
  | {
      readonly type: 'replay'
      readonly images: readonly ImagePlan[]
      /** Address space of each seat, and whose it is. */
      readonly seatImages: readonly number[]
      readonly tids: readonly number[]
      /** Three words for each address space that there is: where it is in the kernel's heap, and its generation. */
      readonly table: SharedArrayBuffer
      readonly files: readonly { number: number; handle: MemoryFileHandle; firstPage: number }[]
      readonly stream: WordStreamHandle
    }
  | { readonly type: 'warm-up'; readonly table: SharedArrayBuffer; readonly file: MemoryFileHandle }
  | { readonly type: 'end' }

/** Which of the reproduced faults took the mmap lock, here and when Linux took them. */
export interface LockedFaults {
  readonly both: number
  readonly onlyHere: number
  readonly onlyLinux: number
  readonly neither: number
}

/** What a worker counted. */
export interface WorkerResult {
  readonly startNs: number
  readonly endNs: number
  readonly faults: number
  readonly speculative: number
  readonly reproduced: number
  /** Of those: the ones before which the state of the page was corrected. */
  readonly corrected: number
  readonly locked: LockedFaults
  readonly notReproduced: Partial<Record<NotReproducedKind, number>>
  /** The first of those not reproduced. */
  readonly unmatched: UnmatchedFault[]
  readonly failed: number
  readonly failures: Failure[]
  readonly latencies: RecordableHistogram
  readonly maxLatency: number
  readonly lockWaits: RecordableHistogram
  readonly lockWaitCount: number
  readonly lockWaitTotal: number
}

export type FromReplayWorker =
  | { readonly type: 'attached' }
  | { readonly type: 'warm' }
  | { readonly type: 'ready' }
  | ({ readonly type: 'done' } & WorkerResult)
  | {
      readonly type: 'failed'
      readonly name: string
      readonly message: string
      readonly stack: string
      readonly outOfMemory: boolean
    }
