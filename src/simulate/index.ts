// The simulator: the kernel's own source on simulated CPUs, in virtual time.

export { mostCpus, usualCpus } from './cpu-counts.ts'
export type { LineFinding, SimulatedRun } from './findings.ts'
export type { LatencyTable } from './latency.ts'
export { type MachineModel, accountingOf, checkMachine, rwsemsOf, spinlockOf } from './machine.ts'
export { type AccountingName, type SpinlockKind, accountingNames, spinlockNames } from '../kernel/index.ts'
export { findMachine, machines } from './machines/index.ts'
export { type ComparedRow, publishedRows } from './published.ts'
export { type SimulateResult, simulate } from './simulate.ts'
export { type SimulatedTraceRun, type TraceSimulateResult, simulateTrace } from './trace-simulate.ts'
export { Topology } from './topology.ts'
export { type WhatIf, type WhatIfRun, whatIf } from './what-if.ts'
export { type SimulatedWorkload, findSimulatedWorkload, simulatedWorkloads } from './workloads.ts'
