// What a plan is made from, and what it tells.
import type { RecordedImage, RecordedSeat } from './imported-trace.ts'
import type { WordStreamHandle } from './op-store.ts'

export interface PlannedMapping {
  readonly page: number
  readonly pages: number
  readonly protection: number
  readonly shared: boolean
  readonly file: number
  readonly filePage: number
  readonly growsDown: boolean
}

export interface PlannedFile {
  /** Number in the trace's table. */
  readonly number: number
  /** First page of the file that is mapped; the replayed file begins there. */
  firstPage: number
  behindPage: number
  /** Runs of pages, [first, count], that were in Linux's page cache. */
  cached: [number, number][]
}

export interface PlanStatistics {
  readonly operations: number
  readonly faults: number
  readonly calls: number
  /** Address spaces that were copied, made by exec in the course of the replay, and destroyed. */
  readonly forks: number
  readonly execs: number
  readonly exits: number
  /** Calls that Linux refused, calls without an exit, and advice that this version does not have: left out. */
  readonly refusedCalls: number
  readonly openCalls: number
  readonly unsupportedAdvice: Readonly<Record<string, number>>
  /** Waits of one thread's operation for another thread's. */
  readonly waits: number
  /** Operations of the longest chain that must be one after the other. */
  readonly longestChain: number
}

/** How one address space begins. */
export interface ImagePlan {
  /** Made before the clock starts; else by an operation. */
  readonly isFirst: boolean
  readonly prelude: readonly PlannedMapping[]
  /** Pages that exec has written: the tops of stacks. */
  readonly written: readonly number[]
  /** Where the heap begins and ends before the first operation, relocated; -1 without a heap, or where fork tells. */
  readonly heapStart: number
  readonly heapEnd: number
  /** Bytes by which stacks grow. */
  readonly stackGrowth: number
}

/** In which way a recorded error code contradicts what the trace had told before of the page. */
export type CorrectionKind =
  /** It was mapped, and was gone: reclaimed, swapped out, or a hole was made in the file. */
  | 'removed'
  /** It was taken to be mapped around a neighbour's fault, and was not. */
  | 'notMappedAround'
  /** It was there although no recorded fault or call had brought it in, as before the recording began. */
  | 'presentBefore'
  /** The same, in memory that one fault had mapped as a huge page. */
  | 'hugePage'
  /** The same, in a file: mapped along with a neighbour in one large folio of the page cache (since 6.18). */
  | 'largeFolio'
  /** It could be written, and could not: written back, merged, or shared by a fork that failed. */
  | 'writeProtected'
  /** The same, by a fork of which the child is not replayed. */
  | 'writeProtectedByFork'
  /** There was a mapping of which nothing else tells. */
  | 'unseenMapping'

/** What a replay does. */
export interface ReplayPlan {
  readonly images: readonly ImagePlan[]
  /** Address space of each seat, and whose it is, for messages. */
  readonly seatImages: readonly number[]
  readonly tids: readonly number[]
  readonly files: readonly PlannedFile[]
  /** One stream for each worker. */
  readonly streams: readonly WordStreamHandle[]
  /** What passes before each operation; empty where that was not asked for. See recorded-times.ts. */
  readonly times: readonly WordStreamHandle[]
  /** Operations of each worker. */
  readonly operations: readonly number[]
  readonly statistics: PlanStatistics
  /** How often the state of the pages is corrected before a recorded fault that contradicts it, by kind. */
  readonly corrections: Readonly<Partial<Record<CorrectionKind, number>>>
  /** Corrections that turned back an earlier one of the same page, again and again. */
  readonly contradictions: number
  /** Frames for pages of the address spaces' own, at most, in recorded order. */
  readonly peakFrames: number
  readonly cachedPages: number
  /** Page tables and address spaces, at most. */
  readonly peakTables: number
  readonly peakSpaces: number
}

/** What of a recorded trace a plan is made from. */
export interface PlanSource {
  readonly images: readonly RecordedImage[]
  readonly seats: readonly RecordedSeat[]
  readonly records: WordStreamHandle
  /** What passed before each record; null where that was not asked for. */
  readonly times?: WordStreamHandle | null
}
