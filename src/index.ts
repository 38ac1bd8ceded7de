// The public interface of Faultline.

import { type DesignDescription, designs as kernelDesigns } from './kernel/index.ts'

export * from './backends/threads/index.ts'
export {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  type Counterexample,
  type CounterexampleCall,
  type CounterexampleEvent,
  type CounterexampleRow,
  type KernelChoice,
  NoScenario,
  type Scenario,
  ScenarioFailed,
  type ScenarioOptions,
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
/** Every design of speculative page faults that there is, with where it comes from. */
export const designs: readonly DesignDescription[] = kernelDesigns.map((design) => design.description)
