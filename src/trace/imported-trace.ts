// What an import makes of a trace: what is told of it, and what a replay is planned from.
import type { Allocator } from './allocators.ts'
import type { FaultCensus } from './given-back.ts'
import type { LackedCpus } from './lacked-cpus.ts'
import type { Mapping, RangeSet } from './layout.ts'
import type { LinuxRecord } from './linux-locks.ts'
import type { LockAnalysis } from './lock-history.ts'
import type { WordStreamHandle } from './op-store.ts'
import type { RecordedKernel } from './recorded-kernel.ts'
import type { NotPerformed, Origin } from './recorded-space.ts'

export interface ProcessSummary {
  readonly pid: number
  readonly name: string
  readonly faults: number
  readonly threads: number
}

/** One address space that is replayed, as the trace tells it. */
export interface RecordedImage {
  readonly origin: Origin
  /**
   * It began as the copy of one that is not replayed, so that pages were there which no fault of this process brought
   * in.
   */
  readonly inherited: boolean
  readonly prelude: readonly Mapping[]
  /** exec has put arguments at the top of the stack, without a fault. */
  readonly hasArguments: boolean
  /** Where the heap begins and ends before the first operation, or -1. */
  readonly heapStart: number
  readonly heapEnd: number
  /** What it was copied from has that heap already. */
  readonly heapInherited: boolean
  /** Ranges that are mapped at any time in this one or those that it shares a history with by fork. */
  readonly extents: RangeSet
  readonly faults: number
  readonly notPerformed: Readonly<Record<NotPerformed, number>>
  /** First page and the page behind the last one that is ever mapped of each file. */
  readonly fileRanges: ReadonlyMap<number, readonly [first: number, behind: number]>
}

/** A thread in an address space. */
export interface RecordedSeat {
  readonly tid: number
  /** Number of the address space in `images`, or -1 if it is not replayed. */
  readonly image: number
  readonly guest: boolean
  readonly lender: number
  readonly operations: number
  readonly taken: number
  readonly left: number
}

/** All processes of one name. */
export interface ProgramSummary {
  readonly name: string
  readonly processes: number
  readonly threads: number
  readonly faults: number
  /** How often, and how long, its threads waited for their own mmap lock, summed up. */
  readonly waits: number
  readonly waitedNs: number
  /** How much of their time that was, 0..1: of all, or of the busiest of one process, whichever is more. */
  readonly waitShare: number
  /** The number of its process that waited for longest; where none waited, that took the most faults. */
  readonly pid: number
  /** Of its processes: forked while it was recorded, without exec, and ended. */
  readonly started: {
    readonly processes: number
    /** How much of their lives was their own computing, or waiting for a CPU for it, 0..1; 0 if samples do not tell. */
    readonly computedShare: number
  } & BriefTimes
  /**
   * Of its processes, those that were created meanwhile and loaded it by exec; none where switches of threads are not
   * recorded.
   */
  readonly loaded: LoadedProcesses
  /**
   * Threads that were created meanwhile, and ended; and how many faults they took that memory given back before could
   * have saved.
   */
  readonly brief: { readonly threads: number; readonly faults: number } & BriefTimes
  /** By how much its collector of garbage delayed the whole, as samples of the CPU tell; 0 where they do not. */
  readonly collectedNs: number
  /** Allocators that it maps, the one that decides first. */
  readonly allocators: readonly Allocator[]
  /** What the faults of all processes of this name were. */
  readonly faultCensus: FaultCensus
}

/** What is told of threads or processes that lived for less than a tenth of what was recorded. */
export interface BriefTimes {
  /** By how much their CPU time delayed the whole. */
  readonly delayedNs: number
  /** For how long any of them was there that slept for nine tenths of its life at most. */
  readonly aliveNs: number
}

/** Processes of one program that others started. */
export interface LoadedProcesses {
  readonly processes: number
  /**
   * CPU time from their creation to the first munmap, with which the loader of shared libraries ends, from their last
   * event until who waited for them went on, and of processes that were forked, started others and ended, summed up.
   */
  readonly startNs: number
  /** All CPU time of both, and how much of the elapsed time each of it was, 0..1. */
  readonly cpuNs: number
  readonly elapsedShare: number
  /** As of {@link BriefTimes}. */
  readonly aliveNs: number
}

/** A recorded program, ready to be replayed. Call `close` when it is not needed any more. */
export interface ImportedTrace {
  readonly path: string
  readonly lines: number
  readonly events: number
  /** Bytes of text, decompressed. */
  readonly bytes: number
  /** Threads and processes in the whole trace. */
  readonly threads: number
  readonly processes: number
  /** Page faults in the whole trace. */
  readonly faults: number
  /** The process that will be replayed; of several, the one with the most faults. */
  readonly process: ProcessSummary
  readonly processChoice: 'only' | 'all' | 'busiest' | 'asked'
  /** Processes and threads that will be replayed. */
  readonly replayed: { readonly processes: number; readonly threads: number }
  /** The other processes with the most faults, at most four. */
  readonly others: readonly ProcessSummary[]
  /** Page faults of what will be replayed. */
  readonly recordedFaults: number
  /** From the first to the last event of what will be replayed. */
  readonly durationMs: number
  /** How long its threads lived, summed up. */
  readonly threadMs: number
  readonly linux: LinuxRecord
  /** Who held the mmap lock while others waited, in the whole trace. */
  readonly locks: LockAnalysis
  /** What the faults of the whole trace were. */
  readonly faultCensus: FaultCensus
  /** Which kernel it was, as far as the trace tells. */
  readonly kernel: RecordedKernel
  /** Processors that events came from, as far as the trace tells: else 0. */
  readonly cpus: number
  /** Threads that did most: each at least a tenth of what the busiest did; their waits for the lock, and their time. */
  readonly hotThreads: { readonly count: number; readonly waitedNs: number; readonly aliveNs: number }
  /** What is replayed, by name, the most faults first: at most so many names as reports show. */
  readonly programs: readonly ProgramSummary[]
  /** How much of the time that threads waited for the lock cost time, see cpu-use.ts; 1 where that is not recorded. */
  readonly costlyWaitShare: number
  /** What recording took of the threads' CPU time, as `record` measured it before; null if it did not. */
  readonly recordingMs: number | null
  /** Until a thread that is woken runs on an idle CPU, the median in nanoseconds; 0 where that is not recorded. */
  readonly wakeLatencyNs: number
  /** When threads lacked its CPUs; of none where that is not recorded, or was not asked for. See lacked-cpus.ts. */
  readonly lackedCpus: LackedCpus
  /** What it took to write an event of the mmap lock, in nanoseconds; 0 where there are none. See lock-events.ts. */
  readonly eventNs: number
  /** Events that are not needed, by name. */
  readonly otherEvents: Readonly<Record<string, number>>
  readonly knownEvents: Readonly<Record<string, number>>
  /** Events that perf lost. */
  readonly lostEvents: number
  /** Calls whose exit is not in the trace. */
  readonly openCalls: number
  /** Faults that the kernel took in itself and was not to handle (pagefault_disable): none of `faults`. */
  readonly unhandledFaults: number
  /** Files of which a fault maps no page around its own, by number. */
  readonly withoutFaultAround: ReadonlySet<number>
  /** Mappings of which only a fault told that they were there. */
  readonly unseenMappings: number
  /** What the trace does not tell, in sentences. */
  readonly warnings: readonly string[]
  readonly images: readonly RecordedImage[]
  readonly seats: readonly RecordedSeat[]
  readonly records: WordStreamHandle
  /** What passed before each record; null unless it was asked for. */
  readonly times: WordStreamHandle | null
  /** Whether it tells when threads were switched, so that computing and sleeping are told apart. */
  readonly hasSwitches: boolean
  /** Identity of each file; number 0 is none. */
  readonly files: readonly string[]
  /** Whether the records went to a temporary file. */
  readonly spooled: boolean
  /** As given to `importTrace`: they hold for the replay too. */
  readonly memoryLimit: number
  readonly temporaryDirectory: string | undefined
  /** Adds what `close` has to do. */
  onClose(action: () => void): void
  /** Removes temporary files. The trace cannot be replayed afterwards. */
  close(): void
}
