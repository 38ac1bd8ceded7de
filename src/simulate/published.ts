// Published measurements, by the machine, workload, design and number of CPUs that they are of: what a simulation is
// printed beside. A row says whether constants of the machine were fitted on it, or it is predicted.

import type { AccountingName, SpinlockKind } from '../kernel/index.ts'
import type { DesignName, RwsemName } from '../workloads/index.ts'
import type { SimulatedRun } from './findings.ts'

export interface PublishedRow {
  /** Where it is from: the table and the row. */
  readonly row: string
  readonly machine: string
  readonly workload: string
  readonly design: DesignName
  readonly rwsem: RwsemName
  /** Those of the kernel which was measured. */
  readonly accounting: AccountingName
  readonly spinlock: SpinlockKind
  readonly cpus: number
  /** Faults, or what else is counted, a second. */
  readonly value: number
  readonly isFitted: boolean
}

export interface ComparedRow {
  readonly row: string
  readonly value: number
  readonly simulated: number
  /** Simulated against published: 0.1 is a tenth too much. */
  readonly error: number
}

const table = (
  common: Omit<PublishedRow, 'row' | 'cpus' | 'value' | 'isFitted'> & { readonly of: string },
  rates: Readonly<Record<number, number>>,
  fitted: readonly number[],
): PublishedRow[] => {
  const { of, ...rest } = common
  return Object.entries(rates).map(([cpus, value]) => {
    const isFitted = fitted.includes(Number(cpus))
    const row = `${of}, ${cpus} thread${cpus === '1' ? '' : 's'}${isFitted ? ' (fitted)' : ''}`
    return { ...rest, row, cpus: Number(cpus), value, isFitted }
  })
}

/** Kernels since 5.3 have the semaphore that spins, and since 4.2 queued spinlocks. */
const pft = { workload: 'pft', rwsem: 'spinning', spinlock: 'queued' } as const

export const publishedRows: readonly PublishedRow[] = [
  // M. Lespinasse, "Speculative page faults", 5.12-rc, April 2021: pft, mean of 30 runs.
  ...table(
    { ...pft, accounting: '5.11', machine: 'skylake-2s', design: 'classic', of: 'pft, 2 × Skylake, v5.12' },
    {
      1: 573_625,
      4: 2.063e6,
      7: 3.169e6,
      12: 4.703e6,
      21: 4.569e6,
      30: 4.15e6,
      48: 3.821e6,
      79: 3.773e6,
      110: 3.66e6,
      112: 3.628e6,
    },
    [1],
  ),
  ...table(
    {
      ...pft,
      accounting: '5.11',
      machine: 'skylake-2s',
      design: 'lespinasse-2021',
      of: 'pft, 2 × Skylake, v5.12 with SPF',
    },
    {
      1: 580_978,
      4: 2.1e6,
      7: 3.353e6,
      12: 5.36e6,
      21: 7.552e6,
      30: 6.994e6,
      48: 6.457e6,
      79: 7.496e6,
      110: 8.546e6,
      112: 8.579e6,
    },
    [],
  ),
  ...table(
    { ...pft, accounting: '5.11', machine: 'rome-2s', design: 'classic', of: 'pft, 2 × Rome, v5.12' },
    { 1: 1.331e6, 7: 3.519e6, 128: 10.122e6 },
    [1, 7, 128],
  ),
  // P. Agrawal in reply to the second posting of per-VMA locks, February 2023: pft, harmonic mean of 10 runs.
  ...table(
    { ...pft, accounting: '6.1', machine: 'icelake-2s', design: 'classic', of: 'pft, 2 × Ice Lake, 6.2-rc4' },
    {
      1: 898_782,
      4: 2.966e6,
      7: 4.145e6,
      12: 4.97e6,
      21: 5.814e6,
      30: 6.154e6,
      48: 6.198e6,
      79: 6.167e6,
      110: 6.265e6,
      128: 6.461e6,
    },
    [1],
  ),
  ...table(
    {
      ...pft,
      accounting: '6.1',
      machine: 'icelake-2s',
      design: 'per-vma-lock-2023',
      of: 'pft, 2 × Ice Lake, 6.2-rc4 with per-VMA locks v2',
    },
    {
      1: 894_247,
      4: 2.684e6,
      7: 3.892e6,
      12: 4.83e6,
      21: 5.941e6,
      30: 6.489e6,
      48: 7.216e6,
      79: 7.426e6,
      110: 7.813e6,
      128: 7.876e6,
    },
    [],
  ),
  // S. Baghdasaryan, per-VMA locks with a reference count, v10: pft on a machine with 56 threads.
  ...table(
    {
      ...pft,
      accounting: '6.10',
      machine: 'numa-56',
      design: 'per-vma-lock-2023',
      of: 'pft, 56 threads, per-VMA rwsem',
    },
    { 1: 507_566, 56: 4.886e6 },
    [1],
  ),
  // README.md: the kernel on worker threads of this project's machine, frames zeroed whole.
  ...table(
    {
      workload: 'page_fault1',
      rwsem: 'xadd',
      accounting: 'none',
      spinlock: 'test-and-set',
      machine: 'here',
      design: 'classic',
      of: 'faultline bench page_fault1 --config ZERO_WRITTEN_SECTORS=off',
    },
    { 1: 1.64e6, 2: 2.36e6 },
    [1],
  ),
  // Zi Yan, 2 June 2021: will-it-scale, 2 × E5-2650 v4, 5.13-rc1.
  ...table(
    {
      workload: 'page_fault1',
      rwsem: 'spinning',
      spinlock: 'queued',
      accounting: '5.11',
      machine: 'broadwell-2s',
      design: 'classic',
      of: 'page_fault1_threads, 2 × E5-2650 v4, 5.13-rc1',
    },
    { 16: 2_332_446, 24: 2_138_067, 48: 1_776_494 },
    [],
  ),
]

/** The rows that the runs are of, each with what was simulated. */
export function compareWithPublished(
  machine: string,
  workload: string,
  runs: readonly SimulatedRun[],
  accounting: AccountingName,
  spinlock: SpinlockKind,
): ComparedRow[] {
  const rows = publishedRows.filter(
    (row) =>
      row.machine === machine &&
      row.workload === workload &&
      row.accounting === accounting &&
      row.spinlock === spinlock,
  )
  return rows.flatMap((row) => {
    const run = runs.find(
      ({ design, rwsem, cpus }) => design === row.design && rwsem === row.rwsem && cpus === row.cpus,
    )
    if (run === undefined) return []
    const { faultsPerSecond: simulated } = run
    return [{ row: row.row, value: row.value, simulated, error: simulated / row.value - 1 }]
  })
}
