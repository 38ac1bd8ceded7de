// A simulation: a workload on one machine, under a list of designs, rwsems and numbers of CPUs.

import type { AccountingName, KernelConfig, SpinlockKind } from '../kernel/index.ts'
import { memoryNodes } from './cpu-counts.ts'
import { type SimulatedRun, findingsOf } from './findings.ts'
import { type MachineModel, accountingOf, prefetchesMmapLock, rwsemsOf, spinlockOf } from './machine.ts'
import { type ComparedRow, compareWithPublished } from './published.ts'
import { simulateRun } from './run.ts'
import { type DesignName, type RwsemChoice, combine } from '../workloads/catalogue.ts'
import { kernelOptions } from './stepped-run.ts'
import { Topology } from './topology.ts'
import type { SimulatedWorkload } from './workloads.ts'

export interface SimulateOptions {
  readonly workload: SimulatedWorkload
  readonly machine: MachineModel
  readonly designs: readonly DesignName[]
  readonly rwsems: RwsemChoice
  readonly cpus: readonly number[]
  readonly seed: number
  readonly config: Partial<KernelConfig>
  readonly rss: 'batched' | 'shared'
  /** How much the workload does, of what it usually does. Default 1. */
  readonly effort?: number
  /** What else a fault writes, as in which version of Linux: see kernel/memory/lru.ts. Default: that of the machine. */
  readonly accounting?: AccountingName | undefined
  /** What spinlocks are. Default: as in the kernel that was measured on the machine. */
  readonly spinlock?: SpinlockKind | undefined
  /** Told before each run, and within it how far it is. */
  readonly onProgress?: (run: number, runs: number, what: string, done: number) => void
}

/** What `--json` prints. */
export interface SimulateResult {
  readonly workload: string
  readonly machine: { readonly name: string; readonly cpus: number; readonly source: string }
  readonly kernel: { readonly options: Readonly<Record<string, boolean | string | number>> }
  readonly runs: readonly SimulatedRun[]
  readonly published: readonly ComparedRow[]
}

export async function simulate(options: SimulateOptions): Promise<SimulateResult> {
  return resultOf(options, await simulateRuns(options))
}

/** The runs of a simulation alone: those of several can be put together for a result. */
export async function simulateRuns(options: SimulateOptions): Promise<SimulatedRun[]> {
  const { workload, machine, seed, config, rss, effort = 1 } = options
  const accounting = accountingOf(machine, options.accounting)
  const spinlock = spinlockOf(machine, options.spinlock)
  const combinations = combine(options.designs, rwsemsOf(machine, options.rwsems))
  const total = combinations.length * options.cpus.length
  const runs: SimulatedRun[] = []
  for (const { design, rwsem } of combinations) {
    for (const cpus of options.cpus) {
      const what = `${design}/${rwsem}, CPUs: ${cpus}`
      const tell = (done: number): void => options.onProgress?.(runs.length + 1, total, what, done)
      tell(0)
      const raw = await simulateRun({
        workload,
        machine,
        design,
        rwsem,
        cpus,
        seed,
        config,
        rss,
        effort,
        accounting,
        spinlock,
        onProgress: tell,
      })
      runs.push(findingsOf(raw, design, rwsem))
    }
  }
  return runs
}

/** What the runs of a simulation show together. */
export function resultOf(options: SimulateOptions, runs: readonly SimulatedRun[]): SimulateResult {
  const { workload, machine, config, rss } = options
  const accounting = accountingOf(machine, options.accounting)
  const spinlock = spinlockOf(machine, options.spinlock)
  const nodes = memoryNodes(machine, workload, Math.max(...options.cpus))
  const prefetches = prefetchesMmapLock(machine, accounting)
  const { name, source } = machine
  return {
    workload: workload.name,
    machine: { name, cpus: new Topology(machine.topology).cpus, source },
    kernel: { options: kernelOptions({ config, rss, accounting, spinlock }, nodes, prefetches) },
    runs,
    published: compareWithPublished(machine.name, workload, runs, { accounting, spinlock, rss }),
  }
}

/** How well more CPUs serve: the rate, as a share of what it would be if each added what the first did. */
export function efficiency(run: SimulatedRun, runs: readonly SimulatedRun[]): number {
  const first = alike(run, runs)[0]!
  return run.faultsPerSecond / run.cpus / (first.faultsPerSecond / first.cpus)
}

/** Where a curve bends, and what it bends on. */
export interface Bend {
  readonly design: string
  readonly rwsem: string
  /** Null where it does not. */
  readonly cpus: number | null
  /** What more of the time goes to there than with fewer CPUs, and its share of the time. */
  readonly cause: string
  readonly share: number
  /** If that is a line: how often it travels for each thing that is counted. */
  readonly transfersPerFault: number | null
}

/** From here on, CPUs that are added bring less than half of what they would in proportion. */
const BEND = 0.5

/** One for each design and rwsem that ran on several numbers of CPUs. */
export function bendsOf(runs: readonly SimulatedRun[]): Bend[] {
  const first = new Set(runs.map((run) => alike(run, runs)[0]!))
  return [...first].filter((run) => alike(run, runs).length > 1).map((run) => bendOf(alike(run, runs)))
}

function alike(run: SimulatedRun, runs: readonly SimulatedRun[]): SimulatedRun[] {
  return runs
    .filter(({ design, rwsem }) => design === run.design && rwsem === run.rwsem)
    .toSorted((a, b) => a.cpus - b.cpus)
}

function bendOf(runs: readonly SimulatedRun[]): Bend {
  const { design, rwsem } = runs[0]!
  for (let at = 1; at < runs.length; at++) {
    const [before, run] = [runs[at - 1]!, runs[at]!]
    const expected = run.cpus / before.cpus - 1
    if (run.faultsPerSecond / before.faultsPerSecond - 1 >= BEND * expected) continue
    const growth = Object.entries(run.timeByCause).map(
      ([cause, share]) => [cause, share, share - (runs[0]!.timeByCause[cause] ?? 0)] as const,
    )
    const [cause, share] = growth.toSorted((a, b) => b[2] - a[2])[0]!
    const line = run.lines.find(({ name }) => cause === `line ${name}`)
    return { design, rwsem, cpus: run.cpus, cause, share, transfersPerFault: line?.transfersPerFault ?? null }
  }
  return { design, rwsem, cpus: null, cause: '', share: 0, transfersPerFault: null }
}
