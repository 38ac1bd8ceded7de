// The stepped backend without the making of forms: what runs a program that is in its steppable form. Nothing of Node.

export type { Probe } from './emit.ts'
export { steppedHost } from './host.ts'
export { FinerCellsNeeded, type MemoryMark, memory } from './memory.ts'
export { CannotSave, SavedFields, rememberFields } from './private-state.ts'
export {
  ChoicesNeeded,
  ScriptNeeded,
  type ScriptRequest,
  SteppingRefused,
  ThreadsNeeded,
  TurnsNeeded,
  TimeUp,
} from './refusal.ts'
export {
  type Enders,
  type Ending,
  type EventLoops,
  type Sleepers,
  TURNS_MAX,
  setTurns,
  alone,
  forgetRefusal,
  hasOwnChanges,
  newEnders,
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
  whoSleeps,
  withTurns,
  withoutTracer,
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
  SAVE,
  SIGNAL,
  SPINNING,
  STOP,
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
export type { Site } from './sites.ts'
export { SHARED, TRACKED } from './tags.ts'
