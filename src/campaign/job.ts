// A job: the smallest thing that a campaign asks for, and what is known of it when it is done.

import { createHash } from 'node:crypto'
import type { SlicedResult } from '../check/index.ts'
import type { AccountingName, KernelConfig, RwsemKind, SpinlockKind } from '../kernel/index.ts'
import type { DesignReport } from '../report/index.ts'
import type { SimulatedRun } from '../simulate/index.ts'
import type { DesignName } from '../workloads/index.ts'
import { codeDigest } from './code.ts'

/** The kernel that a job is about. */
interface OfKernel {
  readonly design: DesignName
  readonly rwsem: RwsemKind
  /** How resident pages are counted. */
  readonly rss: 'batched' | 'shared'
}

/** One scenario, explored as far as its steps reach. */
export interface CheckJob extends OfKernel {
  readonly kind: 'check'
  readonly scenario: string
  /** With the errors of the design's published form. */
  readonly published: boolean
  /** Accesses of shared memory, of all executions together, at most. */
  readonly steps: number
}

/** One simulated run. */
export interface SimulateJob extends OfKernel {
  readonly kind: 'simulate'
  readonly workload: string
  readonly machine: string
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

export type Job = CheckJob | SimulateJob | ReplayJob

/** Without what only says how long it took, which differs each time. */
export type SimulateJobResult = Omit<SimulatedRun, 'design' | 'rwsem' | 'cpus' | 'wallMs'>
export type ReplayJobResult = Omit<DesignReport, 'design' | 'rwsem'> & { readonly replayThreads: number }

interface Done<Of extends Job, Result> {
  readonly key: string
  readonly job: Of
  readonly result: Result
  /** Of computing, wherever it was done. */
  readonly seconds: number
}

export type JobResult =
  | Done<CheckJob, SlicedResult>
  | Done<SimulateJob, SimulateJobResult>
  | Done<ReplayJob, ReplayJobResult>

/** What a result is kept by: what was run, and the code that ran it. */
export function keyOf(job: Job): string {
  // Where a recording lies is not what it is.
  const what = job.kind === 'replay' ? { ...job, trace: '' } : job
  return createHash('sha256')
    .update(JSON.stringify([codeDigest(job.kind), what]))
    .digest('hex')
}
