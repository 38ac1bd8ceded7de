// The stepped backend: programs run one shared-memory access at a time.

export { type SteppedProgram, loadStepped } from './load.ts'
export { FinerCellsNeeded, memory } from './memory.ts'
export { rememberFields } from './private-state.ts'
export type { SourcePatch } from './program.ts'
export { SteppingRefused } from './refusal.ts'
export {
  COMPARE_EXCHANGE,
  FINISHED,
  LOAD,
  NOTIFY,
  PAUSE,
  READY,
  SPINNING,
  STORE,
  Scheduler,
  Thread,
  type Tracer,
  WAIT,
  WAITING,
  WOKEN,
  type Watched,
  alone,
  operationNames,
  runThreads,
  setSites,
  setTracer,
  setWatching,
  timeOut,
} from './runtime.ts'
export type { Site } from './sites.ts'
export { SHARED } from './tags.ts'
