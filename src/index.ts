// The public interface of Faultline.

import { type DesignDescription, designs as kernelDesigns } from './kernel/index.ts'

export * from './backends/threads/index.ts'
export {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  type Counterexample,
  type CounterexampleRow,
  type KernelChoice,
  type Scenario,
  checkFile,
  checkKernelScenario,
  counterexampleText,
  scenario,
} from './check/index.ts'
/** Every design of speculative page faults that there is, with where it comes from. */
export const designs: readonly DesignDescription[] = kernelDesigns.map((design) => design.description)
