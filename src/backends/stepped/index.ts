// The stepped backend: programs run one shared-memory access at a time.

export {
  type LoadOptions,
  type SteppedEntry,
  type SteppedProgram,
  type SteppedPrograms,
  loadStepped,
  loadSteppedTogether,
  nextProgram,
} from './load.ts'
export type { Program, ProgramModule } from './program.ts'
export { isOfBackend, isTestFramework } from './resolve.ts'
export { noteTextOfWasm, wasmDigestOf } from './wasm/modules.ts'
export * from './run.ts'
export { toSource } from './sites.ts'
export { forgetLoaded } from './thread-modules.ts'
