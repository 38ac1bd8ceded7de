// Recording a program with perf, so that it can be replayed and reported on.
export { findProgram, thisHost, type Host } from './host.ts'
export { RecordError } from './errors.ts'
export { findMeans, type Means } from './means.ts'
export type { Overhead } from './overhead.ts'
export type { Target } from './perf.ts'
export { type Recorded, Recorder, type RecordRequest } from './recorder.ts'
