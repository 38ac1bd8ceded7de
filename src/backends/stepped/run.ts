// The stepped backend without the making of forms: what runs a program that is in its steppable form. Nothing of Node.

export type { Probe } from './emit.ts'
export { steppedHost } from './host.ts'
export { ALL_COUNT, addCounting, countedBy, fieldsThatCount, setCounting, takeCountRead } from './counts.ts'
export { FinerCellsNeeded, type MemoryMark, memory } from './memory.ts'
export { CannotSave, SavedFields, rememberFields } from './private-state.ts'
export {
  ChoicesNeeded,
  CountRead,
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
  beginClocks,
  enterClocks,
  forgetRefusal,
  hasOwnChanges,
  leap,
  leaveClocks,
  newEnders,
  drawsNumbers,
  readsClocks,
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
  withLastClock,
  withTurns,
  withoutTracer,
} from './runtime.ts'
export {
  ADD,
  AND,
  COMPARE_EXCHANGE,
  FINISHED,
  LEAVE,
  LOAD,
  LOOK,
  NOTIFY,
  OR,
  PAUSE,
  READY,
  SIGNAL,
  SPINNING,
  STOP,
  STORE,
  SUB,
  Thread,
  WAIT,
  WAITING,
  WAIT_ASYNC,
  WOKEN,
  XOR,
  type Watched,
  operationNames,
} from './thread.ts'
export { type Forbidden, type Probes, SAVE, Scheduler, type Tracer } from './scheduler.ts'
export type { Site } from './sites.ts'
export { SHARED, TRACKED } from './tags.ts'
