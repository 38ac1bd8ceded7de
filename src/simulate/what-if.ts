// What if a recorded program had run under another design of page faults, or on more CPUs: simulated on one machine,
// beside what the same simulation says of the kernel and the CPUs that it was recorded with.
//
// Principle: the error is part of the answer. What is simulated of the recorded kernel stands beside what was recorded,
// and differences that are no larger than those between seeds are chance.

import type { ImportedTrace } from '../trace/index.ts'
import { type DesignName, combine } from '../workloads/index.ts'
import type { MachineModel } from './machine.ts'
import { Topology } from './topology.ts'
import type { Gaps } from './trace-program.ts'
import {
  PlannedRecording,
  type RecordingValues,
  type SimulatedLockWaits,
  type SimulatedTraceRun,
  type TraceJob,
  heldWaits,
  simulateJob,
} from './trace-simulate.ts'

export interface WhatIfOptions {
  readonly trace: ImportedTrace
  readonly machine: MachineModel
  readonly designs: readonly DesignName[]
  /** Besides those that it was recorded on. */
  readonly cpus: readonly number[]
  readonly seed: number
  /** At most so many operations are simulated, in all runs together. */
  readonly mostEvents: number
  readonly onProgress?: (run: number, runs: number, what: string, done: number) => void
  /** How the runs are simulated. Default: one after the other, in this thread. */
  readonly simulateAll?: SimulateAll
}

/** Simulates runs, and says of each how far it is, from 0 to 1. */
export type SimulateAll = (
  values: RecordingValues,
  jobs: readonly TraceJob[],
  onProgress: (job: number, done: number) => void,
) => Promise<SimulatedTraceRun[]>

const oneByOne: SimulateAll = async (values, jobs, onProgress) => {
  const runs: SimulatedTraceRun[] = []
  for (const [number, job] of jobs.entries()) {
    onProgress(number, 0)
    runs.push(await simulateJob(values, job, (done) => onProgress(number, done)))
  }
  return runs
}

/** By one bound of what the threads did between events, or as recorded. */
export interface WhatIfBound {
  readonly gaps: Gaps
  readonly elapsedMs: number
  /** Waits for the mmap lock while somebody is seen to hold it. */
  readonly waits: SimulatedLockWaits
}

/** One design on so many CPUs. */
export interface WhatIfRun {
  readonly design: string
  readonly rwsem: string
  readonly cpus: number
  readonly lockedFaults: number
  readonly bounds: readonly WhatIfBound[]
}

/** What `--json` has as `whatIf`. */
export interface WhatIf {
  readonly machine: { readonly name: string; readonly cpus: number; readonly source: string }
  readonly recorded: {
    /** The design that the recorded kernel is taken to have. */
    readonly design: string
    readonly cpus: number
    readonly elapsedMs: number
    /** Null where the recording has no events of the lock. */
    readonly waits: SimulatedLockWaits | null
  }
  /** Those of the recorded kernel first. */
  readonly runs: readonly WhatIfRun[]
  /**
   * By which factor, 1 or more, all simulations of the recorded kernel, by bounds and seeds, are beside the recording;
   * null: not known.
   */
  readonly error: {
    readonly elapsed: number
    readonly waits: number | null
    readonly waitedMs: number | null
  }
  /** By what share the elapsed time of the recorded kernel differs between seeds. */
  readonly seedSpread: number
  /** Not simulated, as they would have been too many events. */
  readonly leftOut: readonly { readonly design: string; readonly cpus: number }[]
}

/** Seeds by which the recorded kernel is simulated. */
const SEEDS = 3
/** Of fewer waits a factor tells nothing; how long they were, only where that is so much of the time. */
const WAITS_MIN = 20
const WAITED_MIN = 0.05

/** The recording cannot be asked what if. */
export class WhatIfRefused extends Error {
  override readonly name = 'WhatIfRefused'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Simulates a recording that was imported with `isTimed`. @throws WhatIfRefused where nothing can be said */
export async function whatIf(options: WhatIfOptions): Promise<WhatIf> {
  const { trace, machine, seed, mostEvents } = options
  const { cpus: most } = new Topology(machine.topology)
  requireCpus(trace, machine, most)
  const recording = new PlannedRecording({
    trace,
    machine,
    config: {},
    rss: 'batched',
    accounting: undefined,
  })
  const { design } = trace.kernel
  const runs = runsOf(options, design, most)
  const events = recording.operations * recording.gaps.length
  const fit = Math.floor(mostEvents / Math.max(1, events)) - (SEEDS - 1)
  if (fit < 1)
    throw new WhatIfRefused(
      `one run of the recorded kernel by ${SEEDS} seeds are ${SEEDS * events} events, and ${mostEvents} are allowed`,
      'allow more with --most-events, record for a shorter time, or choose a process with --process',
    )
  const [first, ...others] = runs.slice(0, fit)
  const seeds = Array.from({ length: SEEDS }, (_, other) => ({ ...first!, seed: seed + other }))
  const all = await simulated(recording, [...seeds, ...others.map((run) => ({ ...run, seed }))], options)
  const bySeed = all.slice(0, SEEDS)
  const found = [bySeed[0]!, ...all.slice(SEEDS)]
  const { name, source } = machine
  const waits = trace.linux.recorded ? heldWaits(trace.locks) : null
  const recorded = { design, cpus: trace.cpus, elapsedMs: trace.durationMs, waits }
  return {
    machine: { name, cpus: most, source },
    recorded,
    runs: found,
    error: errorOf(
      bySeed.flatMap(({ bounds }) => bounds),
      recorded,
    ),
    seedSpread: spreadOf(bySeed),
    leftOut: runs.slice(fit).map(({ design: left, cpus }) => ({ design: left, cpus })),
  }
}

function requireCpus(trace: ImportedTrace, machine: MachineModel, most: number): void {
  if (trace.cpus === 0)
    throw new WhatIfRefused(
      'the recording does not tell on which CPUs its events were',
      'print it with perf script -F comm,pid,tid,cpu,time,event,trace',
    )
  if (trace.cpus > most)
    throw new WhatIfRefused(
      `it was recorded on ${trace.cpus} CPUs, and ${machine.name} has ${most}`,
      'choose a larger machine: faultline simulate --machines',
    )
}

/** The recorded kernel on its CPUs; others there; then the recorded kernel on more CPUs, and others there. */
function runsOf(
  { trace, designs, cpus }: WhatIfOptions,
  design: DesignName,
  most: number,
): Omit<TraceJob, 'gaps' | 'seed'>[] {
  const counts = [trace.cpus, ...cpus.filter((count) => count !== trace.cpus && count <= most)]
  const names = [design, ...designs.filter((name) => name !== design)]
  const kernels = combine(names, 'year')
  return counts.flatMap((count) => kernels.map((kernel) => ({ ...kernel, cpus: count })))
}

/** Simulates each, by each bound of what the threads did between events. */
async function simulated(
  { values, gaps }: PlannedRecording,
  runs: readonly Omit<TraceJob, 'gaps'>[],
  { onProgress, simulateAll = oneByOne }: WhatIfOptions,
): Promise<WhatIfRun[]> {
  const jobs = runs.flatMap((run) => gaps.map((each) => ({ ...run, gaps: each })))
  const tell = (number: number, done: number): void => {
    const { design, cpus } = jobs[number]!
    onProgress?.(number + 1, jobs.length, `${design}, CPUs: ${cpus}`, done)
  }
  const found = await simulateAll(values, jobs, tell)
  return runs.map(({ design, rwsem, cpus }, number) => {
    const byGaps = found.slice(number * gaps.length, (number + 1) * gaps.length)
    const lockedFaults = Math.max(...byGaps.map((run) => run.lockedFaults))
    return { design, rwsem, cpus, lockedFaults, bounds: byGaps.map(boundOf) }
  })
}

function boundOf({ gaps, virtualMs, heldWaits: waits }: SimulatedTraceRun): WhatIfBound {
  return { gaps, elapsedMs: virtualMs, waits }
}

/** By all bounds and seeds. */
function errorOf(bounds: readonly WhatIfBound[], { elapsedMs, waits }: WhatIf['recorded']): WhatIf['error'] {
  const factorOf = (
    least: number,
    value: number | undefined,
    of: (bound: WhatIfBound) => number,
  ): number | null => {
    const values = bounds.map(of)
    return value === undefined || Math.max(value, ...values) < least ? null : factorBeside(values, value)
  }
  const waited = factorOf(elapsedMs * WAITED_MIN, waits?.totalMs, (bound) => bound.waits.totalMs)
  const count = factorOf(WAITS_MIN, waits?.count, (bound) => bound.waits.count)
  return {
    elapsed: factorOf(0, elapsedMs, (bound) => bound.elapsedMs)!,
    waits: count,
    waitedMs: count === null ? waited : factorOf(0, waits?.totalMs, (bound) => bound.waits.totalMs),
  }
}

/** By which factor a value is beside the range of the bounds; 1 within it. Capped at 1000, which JSON can hold. */
function factorBeside(bounds: readonly number[], value: number): number {
  const [least, most] = [Math.min(...bounds), Math.max(...bounds)]
  if (value >= least && value <= most) return 1
  return Math.min(1000, value < least ? least / value : value / most)
}

function spreadOf(runs: readonly WhatIfRun[]): number {
  const spreads = runs[0]!.bounds.map((_, bound) => {
    const times = runs.map(({ bounds }) => bounds[bound]!.elapsedMs)
    return Math.max(...times) / Math.max(Number.MIN_VALUE, Math.min(...times)) - 1
  })
  return Math.max(...spreads)
}
