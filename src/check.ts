// The checker alone, for those who check code of their own: without the kernel and without its scenarios.

// oxlint-disable-next-line import/no-unassigned-import -- for what it throws
import './backends/threads/node-version.ts'

export { SteppingRefused } from './backends/stepped/index.ts'
export {
  type CheckOptions,
  type CheckResult,
  type ReplayOptions,
  assertHolds,
  checkFile,
  replayFile,
} from './check/check.ts'
export type {
  Counterexample,
  CounterexampleCall,
  CounterexampleEvent,
  CounterexampleRow,
} from './check/counterexample-data.ts'
export type { CheckFailure } from './check/failure.ts'
export { type InlineCheck, check } from './check/inline.ts'
export type { ArgumentLists, Linearizable, Operation } from './check/linear-description.ts'
export { linearizable } from './check/linearizable.ts'
export { perfettoTrace } from './check/perfetto.ts'
export { racy } from './check/racy.ts'
export { ScenarioFailed } from './check/scenario-failed.ts'
export { type Scenario, type ScenarioOptions, scenario } from './check/scenario.ts'
export { counterexampleText } from './check/table.ts'
export { NoScenario } from './check/no-scenario.ts'
export { TokenRefused } from './check/token.ts'
