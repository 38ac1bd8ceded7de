// The checker: every interleaving of a small concurrent program, or the one in which it fails.

export {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  checkFile,
  checkKernelScenario,
} from './check.ts'
export type { Counterexample, CounterexampleRow } from './counterexample.ts'
export type { Progress, Strategy } from './explore.ts'
export type { KernelChoice } from './prepare.ts'
export { type Mutant, mutants } from './mutants.ts'
export { scenarioNames } from './scenarios/index.ts'
export { type Scenario, scenario } from './scenario.ts'
export { counterexampleText } from './table.ts'
