// The checker: every interleaving of a small concurrent program, or the one in which it fails.

export {
  type CheckOptions,
  type CheckResult,
  ScenarioFailed,
  assertHolds,
  type ReplayOptions,
  checkFile,
  checkKernelScenario,
  replayFile,
  replayKernelScenario,
} from './check.ts'
export {
  type ConflictChoice,
  type ConflictLine,
  type PairConflicts,
  findConflicts,
  observeSharedWrites,
} from './conflicts.ts'
export type {
  Counterexample,
  CounterexampleCall,
  CounterexampleEvent,
  CounterexampleRow,
} from './counterexample-data.ts'
export type { Progress, Strategy } from './explore.ts'
export type { FailureKind } from './run-once.ts'
export { type EndsOptions, type EndsResult, checkEnds } from './ends/check-ends.ts'
export { victims } from './ends/end-scenario.ts'
export type { CheckFailure } from './failure.ts'
export { MUTATED, type Mutant, mutantChoice, mutantNamed, mutants } from './mutants.ts'
export { nearest } from './nearest.ts'
export { perfettoTrace } from './perfetto.ts'
export { type KernelChoice, NoScenario } from './prepare.ts'
export { priceNames, scenarioNames } from './scenarios/index.ts'
export { type PublishedResult, checkPublished } from './check-published.ts'
export { seekFailure } from './races/explore-race.ts'
export { type PublishedFlaw, publishedFlaws } from './published-flaws.ts'
export { type Scenario, type ScenarioOptions, scenario } from './scenario.ts'
export { type Slice, type SliceOutcome, type SlicedTarget, fileDigest, fileIn } from './slice.ts'
export {
  SLICE_STEPS,
  type SlicedExtent,
  type SlicedResult,
  WALK_EXECUTIONS,
  exploreSliced,
} from './slices.ts'
export { counterexampleText } from './table.ts'
export { TokenRefused, readToken } from './token.ts'
export type { Shard } from './work.ts'
