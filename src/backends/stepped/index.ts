// The stepped backend: programs run one shared-memory access at a time.

export type { Probe } from './emit.ts'
export {
  type LoadOptions,
  type SteppedEntry,
  type SteppedProgram,
  type SteppedPrograms,
  loadStepped,
  loadSteppedTogether,
  nextProgram,
} from './load.ts'
export { FinerCellsNeeded, memory } from './memory.ts'
export { rememberFields } from './private-state.ts'
export type { Program, ProgramModule } from './program.ts'
export { ChoicesNeeded, SteppingRefused, TimeUp } from './refusal.ts'
export {
  type EventLoops,
  alone,
  forgetRefusal,
  refused,
  reportWrite,
  runThreads,
  setDeadline,
  setForbidden,
  setPreparing,
  setProbes,
  setSites,
  setTracer,
  setWatching,
  siteHere,
  timeOut,
} from './runtime.ts'
export {
  ADD,
  AND,
  COMPARE_EXCHANGE,
  FINISHED,
  type Forbidden,
  LEAVE,
  LOAD,
  NOTIFY,
  OR,
  PAUSE,
  type Probes,
  READY,
  SIGNAL,
  SPINNING,
  STORE,
  SUB,
  Scheduler,
  Thread,
  type Tracer,
  WAIT,
  WAITING,
  WAIT_ASYNC,
  WOKEN,
  XOR,
  type Watched,
  operationNames,
} from './thread.ts'
export { type Site, toSource } from './sites.ts'
export { SHARED, TRACKED } from './tags.ts'
