// Fixed replay reports for the golden tests.
import {
  mergeRepetitions,
  type DesignReplay,
  type ReplayReport,
  type TraceReport,
} from '../../src/report/replay-report.ts'
import { NO_CENSUS, NO_FAULTS } from './no-census.ts'

const faultCensus = { ...NO_CENSUS, user: { ...NO_FAULTS, faults: 44_472, lockedFaults: 312 } }

const trace: TraceReport = {
  path: '/somewhere/service.perf.txt.gz',
  lines: 87_337,
  events: 87_290,
  threads: 12,
  processes: 3,
  recordedFaults: 44_472,
  linux: {
    recorded: true,
    timeResolutionNs: 1000,
    faultsUnderMmapLock: 312,
    faultsWithoutMmapLock: 44_160,
    lockWaitNs: {
      readers: { count: 1_200, total: 1_240_000_000, p50: 88_000, p99: 320_000 },
      writers: { count: 2_000, total: 3_150_000_000, p50: 41_000, p99: 910_000 },
    },
    lockAcquisitions: { readers: 5120, writers: 7139 },
  },
  program: 'service',
  process: 6620,
  processChoice: 'busiest',
  replayedProcesses: 1,
  processThreads: 11,
  durationMs: 1820.5,
  threadMs: 20_025.5,
  locks: {
    holders: [],
    waiters: [],
    matrix: [],
    longest: [],
    keptNs: {
      writersByWriters: 0,
      writersByReaders: 0,
      readersByWriters: 0,
      readersByReaders: 0,
      unknown: 0,
    },
    foreign: [],
    delayedNs: 0,
    totals: {
      held: { waits: 0, waitedNs: 0 },
      unseen: { waits: 0, waitedNs: 0 },
      outside: { waits: 0, waitedNs: 0, delayedNs: 0 },
      unexplained: { waits: 0, waitedNs: 0 },
    },
  },
  faultCensus,
  unhandledFaults: 0,
  lostEvents: 0,
  cpus: 16,
  programs: [
    {
      name: 'service',
      processes: 1,
      threads: 11,
      faults: 44_472,
      waits: 0,
      waitedNs: 0,
      waitShare: 0,
      pid: 1,
      started: { processes: 0, computedShare: 0, delayedNs: 0, aliveNs: 0 },
      loaded: { processes: 0, startNs: 0, cpuNs: 0, elapsedShare: 0, aliveNs: 0 },
      brief: { threads: 0, faults: 0, delayedNs: 0, aliveNs: 0 },
      collectedNs: 0,
      allocators: ['glibc'],
      faultCensus,
    },
  ],
  costlyWaitShare: 1,
  recordingMs: null,
  kernel: {
    release: '6.18.5',
    design: 'per-vma-refcount-2025',
    isKnown: true,
    evidence:
      'known from its release, 6.18.5, and because 44160 of 44472 faults of the program took no mmap lock',
    hugePages: 'madvise',
    reportsFreePages: false,
    counts: {},
  },
  hotThreads: { count: 0, waitedNs: 0, aliveNs: 0 },
  warnings: [],
}

interface Figures {
  readonly design: string
  readonly rwsem: string
  readonly elapsedMs: number
  readonly waitedMs: number
  readonly failed?: number
}

/** One design in one repetition; whatever is not given follows from whether it speculates. */
function replayOf({ design, rwsem, elapsedMs, waitedMs, failed = 0 }: Figures): DesignReplay {
  const speculates = design !== 'classic'
  const faults = 45_105
  return {
    design,
    rwsem,
    faults,
    speculative: speculates
      ? {
          attempted: 45_002,
          succeeded: 41_811,
          aborted: { SPF_ABORT_UNMAPPED: 0, SPF_ABORT_NO_SPECULATE: 3007, SPF_ABORT_VMA_COPY: 184 },
        }
      : { attempted: 0, succeeded: 0, aborted: {} },
    classicFaults: speculates ? 3294 : faults,
    kernelFaults: 34,
    elapsedMs,
    faultsPerSecond: (faults / elapsedMs) * 1000,
    faultLatencyNs: { p50: 812, p99: 4210, max: 1_730_000 },
    mmapLockFaults: { both: 280, onlyHere: 60, onlyLinux: 32, neither: 43_940 },
    mmapLockWaitNs: { count: speculates ? 0 : 381, total: waitedMs * 1e6, p50: 1900, p99: 88_000 },
    fidelity: {
      recorded: 44_472,
      reproduced: 44_312,
      uncorrected: 44_312,
      contradictory: 0,
      notReproduced: 160,
      failed,
      ratio: 44_312 / 44_472,
      notReproducedByKind: { mappedByFaultAround: 121, mappedByAnotherThread: 39 },
      failures: Array.from({ length: failed }, () => ({
        operation: 'write',
        address: 0x7f12_3450_0000,
        tid: 6621,
        error: 'SEGV_MAPERR',
      })),
      faults: [],
    },
    corrections: {},
  }
}

function reportOf(
  threads: number,
  groups: readonly (readonly Figures[])[],
  changes: Partial<TraceReport> = {},
): ReplayReport {
  return {
    trace: { ...trace, ...changes },
    replayThreads: threads,
    rss: 'batched',
    processors: 16,
    designs: groups.map((group) => mergeRepetitions(group.map(replayOf), threads)),
  }
}

const runs = (design: string, rwsem: string, elapsed: readonly number[], waited: number): Figures[] =>
  elapsed.map((elapsedMs) => ({ design, rwsem, elapsedMs, waitedMs: waited }))

/** The lock hurts, and the speculative design is faster beyond the spread. */
export const harmed = reportOf(11, [
  runs('classic', 'xadd', [152, 149, 158], 240),
  runs('lespinasse-2021', 'xadd', [101, 98, 103], 0),
])

/** All four columns; the lock does not hurt and elapsed times overlap. */
export const unharmed = reportOf(
  11,
  [
    runs('classic', 'xadd', [152, 149, 158], 4.1),
    runs('classic', 'generic', [160, 149, 162], 5.2),
    runs('lespinasse-2021', 'xadd', [151, 147, 153], 0),
    runs('lespinasse-2021', 'generic', [150, 149, 156], 0),
  ],
  {
    linux: {
      recorded: true,
      timeResolutionNs: 1000,
      faultsUnderMmapLock: 312,
      faultsWithoutMmapLock: 44_160,
      lockWaitNs: {
        readers: { count: 12, total: 1_240_000, p50: 88_000, p99: 320_000 },
        writers: { count: 40, total: 3_150_000, p50: 41_000, p99: 910_000 },
      },
      lockAcquisitions: { readers: 512, writers: 7139 },
    },
  },
)

/** All processes of a trace, under a design that Linux has. */
export const whole = reportOf(
  5,
  [runs('classic', 'xadd', [152, 149, 158], 4.1), runs('per-vma-refcount-2025', 'xadd', [151, 147, 153], 0)],
  { processChoice: 'all', processes: 8, replayedProcesses: 8, processThreads: 12 },
)

/** One run, a trace of one process without mmap_lock events, one failed access. */
export const failed = reportOf(
  1,
  [
    [{ design: 'classic', rwsem: 'xadd', elapsedMs: 152, waitedMs: 0, failed: 1 }],
    [{ design: 'lespinasse-2021', rwsem: 'xadd', elapsedMs: 140, waitedMs: 0 }],
  ],
  {
    processes: 1,
    processChoice: 'only',
    processThreads: 1,
    warnings: ['the trace has no mmap_lock events: waits for the lock are unknown'],
    linux: {
      recorded: false,
      timeResolutionNs: 1000,
      faultsUnderMmapLock: 0,
      faultsWithoutMmapLock: 0,
      lockWaitNs: {
        readers: { count: 0, total: 0, p50: 0, p99: 0 },
        writers: { count: 0, total: 0, p50: 0, p99: 0 },
      },
      lockAcquisitions: { readers: 0, writers: 0 },
    },
  },
)
