// The public interface of Faultline.

export * from './memory.ts'
export type { Campaign } from './campaign/campaign.ts'
export {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  type Counterexample,
  type CounterexampleCall,
  type CounterexampleEvent,
  type CounterexampleRow,
  type FailureKind,
  type KernelChoice,
  NoScenario,
  type Progress,
  type Scenario,
  ScenarioFailed,
  type ScenarioOptions,
  type Shard,
  type Strategy,
  assertHolds,
  type ReplayOptions,
  TokenRefused,
  checkFile,
  checkKernelScenario,
  counterexampleText,
  perfettoTrace,
  replayFile,
  replayKernelScenario,
  scenario,
} from './check/index.ts'
export { SteppingRefused } from './backends/stepped/index.ts'
