// The checker: every interleaving of a small concurrent program, or the one in which it fails.

export {
  type CheckFailure,
  type CheckOptions,
  type CheckResult,
  checkFile,
  checkKernelScenario,
} from './check.ts'
export { scenarioNames } from './scenarios/index.ts'
