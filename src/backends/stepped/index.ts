// The stepped backend: programs run one shared-memory access at a time.

export { type SteppedProgram, loadStepped } from './load.ts'
export { FinerCellsNeeded, memory } from './memory.ts'
export { rememberFields } from './private-state.ts'
export type { SourcePatch } from './program.ts'
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
  WAIT,
  WAITING,
  WOKEN,
  alone,
  runThreads,
  setSites,
  setWatching,
  timeOut,
} from './runtime.ts'
export type { Site } from './sites.ts'
