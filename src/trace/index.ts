// Recorded programs: import of what `perf script` prints, and replay on the virtual-memory manager.
export { recordCommand, scriptCommand, TraceError, type TraceErrorCode } from './errors.ts'
export { importTrace, type ImportedTrace, type ImportOptions, type ProcessSummary } from './import.ts'
export type { FaultCensus, FaultTime } from './given-back.ts'
export type { LockAnalysis } from './lock-history.ts'
export type { LinuxRecord, LockWaits } from './linux-locks.ts'
export { MAX_REPLAY_THREADS, replayTrace, type ReplayOptions, type ReplayResult } from './replay.ts'
export type { Failure, LockedFaults, NotReproducedKind } from './replay-protocol.ts'
export type { PlanStatistics } from './plan-types.ts'
