// A job: the smallest unit of a campaign, and its result.

import { createHash } from 'node:crypto'
import type { SlicedResult } from '../check/index.ts'
import type { AccountingName, KernelConfig, RwsemKind, SpinlockKind } from '../kernel/index.ts'
import type { DesignReport } from '../report/index.ts'
import type { MachineModel, SimulatedRun } from '../simulate/index.ts'
import type { DesignName } from '../workloads/index.ts'
import { codeDigest } from './code.ts'

/** The kernel that a job is about. */
export interface OfKernel {
  readonly design: DesignName
  readonly rwsem: RwsemKind
  /** How resident pages are counted. */
  readonly rss: 'batched' | 'shared'
}

/** A shipped scenario on a machine. */
export interface OfScenario extends OfKernel {
  readonly scenario: string
  /** With the errors of the design's published form. */
  readonly published: boolean
}

/** A scenario of a user's own. */
export interface OfFile {
  /** Its path from the folder of the campaign on, in which it lies. */
  readonly file: string
  /** Digest of it and of what it imports: see fileDigest(). */
  readonly content: string
}

/** Every interleaving, as far as the steps reach. */
export interface BySteps {
  /** Accesses of shared memory, of all executions together, at most. */
  readonly steps: number
}

/** Executions that chance chooses. */
export interface ByChance {
  readonly strategy: 'pct' | 'random'
  /** Of 'pct': how many ordered steps a failure needs. */
  readonly depth: number
  readonly seed: number
  readonly executions: number
}

/** One scenario, explored. */
export type CheckJob = { readonly kind: 'check' } & (OfScenario | OfFile) & (BySteps | ByChance)

/** A mutant of the kernel, looked for in the scenario that is to find it. */
export interface MutantJob extends BySteps {
  readonly kind: 'mutant'
  readonly mutant: string
}

/** One simulated run. */
export interface SimulateJob extends OfKernel {
  readonly kind: 'simulate'
  readonly workload: string
  readonly machine: string
  /** The machine itself, where it is none of ours. */
  readonly model?: MachineModel
  /** Numbers of the machine that are others here, by their path in it. */
  readonly constants: Readonly<Record<string, number>>
  readonly cpus: number
  readonly config: Partial<KernelConfig>
  readonly accounting: AccountingName
  readonly spinlock: SpinlockKind
  readonly seed: number
  /** How much the workload does, of what it usually does. */
  readonly effort: number
}

/** One recording under one design. */
export interface ReplayJob extends OfKernel {
  readonly kind: 'replay'
  /** The path of the file. */
  readonly trace: string
  /** SHA-256 of what is in it. */
  readonly content: string
  readonly threads: number | null
  /** How often it is replayed. */
  readonly repeat: number
}

export type Job = CheckJob | MutantJob | SimulateJob | ReplayJob

/** Without what only says how long it took, which differs each time. */
export type SimulateJobResult = Omit<SimulatedRun, 'design' | 'rwsem' | 'cpus' | 'wallMs'>
export type ReplayJobResult = Omit<DesignReport, 'design' | 'rwsem'> & { readonly replayThreads: number }

interface Done<Of extends Job, Result> {
  readonly key: string
  readonly job: Of
  readonly result: Result
  /** Of a processor, wherever it computed; of a replay, until it was done. */
  readonly seconds: number
}

export type JobResult =
  | Done<CheckJob, SlicedResult>
  | Done<MutantJob, SlicedResult>
  | Done<SimulateJob, SimulateJobResult>
  | Done<ReplayJob, ReplayJobResult>

/** What a result is kept by: what was run, and the code that ran it. */
export function keyOf(job: Job): string {
  // Where a recording lies is not what it is.
  const what = job.kind === 'replay' ? { ...job, trace: '' } : job
  const code = codeDigest(job.kind === 'mutant' ? 'check' : job.kind)
  return createHash('sha256')
    .update(JSON.stringify([code, what]))
    .digest('hex')
}
