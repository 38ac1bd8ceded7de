// Short simulated runs for the tests.

import { type SimulatedRun, findingsOf } from '../../src/simulate/findings.ts'
import {
  type AccountingName,
  type MachineModel,
  type SpinlockKind,
  findMachine,
  findSimulatedWorkload,
} from '../../src/simulate/index.ts'
import { simulateRun } from '../../src/simulate/run.ts'

export interface ShortRun {
  readonly workload: string
  readonly machine?: string
  readonly design?: string
  readonly rwsem?: string
  readonly cpus: number
  readonly seed?: number
  readonly aheadNs?: number
  readonly pages?: number
  readonly accounting?: AccountingName
  readonly spinlock?: SpinlockKind
  readonly change?: (machine: MachineModel) => MachineModel
}

/** Runs a workload on fewer pages, and for a shorter time, than it usually has. */
export async function shortRun(options: ShortRun): Promise<SimulatedRun> {
  const { design = 'classic', rwsem = 'xadd', pages = 512, change = (same) => same } = options
  const usual = findSimulatedWorkload(options.workload)!
  const scale = pages / usual.pages
  const countsPages = usual.counts === 'pages'
  const workload = {
    ...usual,
    pages,
    warmUp: countsPages ? usual.warmUp * scale : usual.warmUp,
    measured: countsPages ? usual.measured * scale : usual.measured,
  }
  const raw = await simulateRun({
    workload,
    machine: change(findMachine(options.machine ?? 'skylake-2s')!),
    design,
    rwsem,
    cpus: options.cpus,
    seed: options.seed ?? 1,
    config: {},
    rss: 'batched',
    accounting: options.accounting ?? 'none',
    spinlock: options.spinlock ?? 'test-and-set',
    ...(options.aheadNs === undefined ? {} : { aheadNs: options.aheadNs }),
  })
  return findingsOf(raw, design, rwsem)
}

/** Nanoseconds for each of what is counted, all CPUs together. */
export function nsPerCount({ faultsPerSecond }: SimulatedRun): number {
  return 1e9 / faultsPerSecond
}
