// Published measurements, by the machine, workload, design and number of CPUs that they are of: what a simulation is
// printed beside. A row says whether constants of the machine were fitted on it, or it is predicted.

import type { AccountingName, SpinlockKind } from '../kernel/index.ts'
import type { DesignName, RwsemName } from '../workloads/index.ts'
import type { SimulatedRun } from './findings.ts'
import type { SimulatedWorkload } from './workloads.ts'

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
  /** How resident pages were counted: batched by each thread since 2.6.34. */
  readonly rss: 'batched' | 'shared'
  readonly cpus: number
  /** Faults, or what else is counted, a second; where threads measure themselves, of each thread. */
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

type Measured = Omit<PublishedRow, 'row' | 'cpus' | 'value' | 'isFitted' | 'rss'> & {
  readonly of: string
  readonly rss?: 'shared'
}

const table = (
  common: Measured,
  rates: Readonly<Record<number, number>>,
  fitted: readonly number[],
): PublishedRow[] => {
  const { of, rss = 'batched', ...rest } = common
  return Object.entries(rates).map(([cpus, value]) => {
    const isFitted = fitted.includes(Number(cpus))
    const row = `${of}, ${cpus} thread${cpus === '1' ? '' : 's'}${isFitted ? ' (fitted)' : ''}`
    return { ...rest, rss, row, cpus: Number(cpus), value, isFitted }
  })
}

/** A row that is named by itself. */
const single = (common: Measured, cpus: number, value: number, isFitted = false): PublishedRow => {
  const { of, rss = 'batched', ...rest } = common
  return { ...rest, rss, row: `${of}${isFitted ? ' (fitted)' : ''}`, cpus, value, isFitted }
}

/** Kernels since 5.11 have the semaphore that spins, and since 4.2 queued spinlocks. */
const pft = { workload: 'pft', rwsem: 'spinning', spinlock: 'queued' } as const

/** Zi Yan, 2 June 2021: threads of will-it-scale, each bound to a core. */
const willItScale = {
  rwsem: 'spinning',
  spinlock: 'queued',
  accounting: '5.11',
  machine: 'broadwell-2s',
  design: 'classic',
} as const

/** Kernels of 2009 and 2010: what accounting there is comes nearest to theirs, and each fault counted its page. */
const of2010 = {
  rwsem: 'generic',
  rss: 'shared',
  accounting: '5.11',
  spinlock: 'ticket',
  design: 'classic',
} as const

/** K. Hiroyuki, linux-mm, 18 and 25 December 2009 and 6 January 2010: faults of 8 threads in 60 s. */
const kamezawa = { ...of2010, machine: 'fsb-2009' } as const
const split = { ...kamezawa, workload: 'multi-fault-all-split' } as const
const own = { ...kamezawa, workload: 'multi-fault-all', of: 'multi-fault-all, 6 January 2010' } as const
const serial = {
  ...kamezawa,
  workload: 'multi-fault-all-serial',
  of: 'the same, one gives back for all',
} as const

/** P. Zijlstra, 8 January 2010, faults in a minute on two sockets. How many threads is not told: taken as 16. */
const zijlstra = { ...of2010, machine: 'westmere-2s', workload: 'multi-fault-all' } as const

/** L. Dufour, records a second: 4.13 to 5.1 had the semaphore of 2010, in which since 3.16 writers spin for writers. */
const dufour = { rwsem: 'writer-spinning', accounting: '5.11', spinlock: 'queued' } as const
const guest = { ...dufour, machine: 'guest-16', workload: 'ebizzy-mTRp' } as const
const power8 = { ...dufour, machine: 'power8-80', workload: 'ebizzy-mTRp' } as const
const x86 = { ...dufour, machine: 'broadwell-2s', workload: 'ebizzy-mTt' } as const

/**
 * S. Baghdasaryan, in reply to the second version of 2022: nanoseconds that a thread takes, on average of 100, with the
 * 5.10 of the phone.
 */
const spfTest = (mappings: number, pages: number, classicNs: number, speculativeNs: number) =>
  (
    [
      ['classic', classicNs, ''],
      ['lespinasse-2022', speculativeNs, ' with SPF'],
    ] as const
  ).map(([design, ns, what]) =>
    single(
      {
        design,
        rwsem: 'reader-spinning',
        accounting: '5.11',
        spinlock: 'queued',
        machine: 'pixel-6',
        workload: `spf_test-${mappings}x${pages}`,
        of: `spf_test 100 ${mappings} ${pages}, Pixel 6${what}, pages/s of a thread`,
      },
      8,
      (mappings * pages * 1e9) / ns,
    ),
  )

export const publishedRows: readonly PublishedRow[] = [
  single({ ...split, of: 'multi-fault-all-split, 2.6.32-mmotm' }, 8, 15_774_882 / 60, true),
  single(
    { ...split, design: 'kamezawa-2009-version', of: 'multi-fault-all-split, VMA cache of 18 December 2009' },
    8,
    39_800_221 / 60,
  ),
  single({ ...split, of: 'multi-fault-all-split, 2.6.33-rc2' }, 8, 17_481_387 / 60),
  single(
    { ...split, design: 'kamezawa-2009-refcount', of: 'multi-fault-all-split, 25 December 2009' },
    8,
    35_949_073 / 60,
  ),
  single({ ...own, design: 'kamezawa-2009-refcount', of: `${own.of}, speculative` }, 8, 35_835_485 / 60),
  single({ ...own, rwsem: 'xadd', of: `${own.of}, xadd` }, 8, 41_950_863 / 60),
  single(
    { ...serial, design: 'kamezawa-2009-refcount', of: `${serial.of}, speculative` },
    8,
    33_345_089 / 60,
  ),
  single({ ...serial, rwsem: 'xadd', of: `${serial.of}, xadd` }, 8, 33_029_186 / 60),
  single({ ...zijlstra, of: 'multi-fault, two sockets, -tip of January 2010' }, 16, 56_398_626 / 60),
  single({ ...zijlstra, rwsem: 'xadd', of: 'the same with xadd' }, 16, 174_753_190 / 60),
  single({ ...zijlstra, design: 'zijlstra-2010', of: 'the same with speculation' }, 16, 189_274_319 / 60),
  single(
    { ...zijlstra, design: 'zijlstra-2010', rwsem: 'xadd', of: 'the same with both' },
    16,
    200_174_641 / 60,
  ),
  single({ ...guest, design: 'classic', of: 'ebizzy -mTRp, 16 virtual CPUs, 4.16' }, 16, 12_405.5, true),
  single(
    { ...guest, design: 'dufour-2018', of: 'ebizzy -mTRp, 16 virtual CPUs, 4.16 with SPF v10' },
    16,
    91_104.5,
  ),
  single({ ...power8, design: 'classic', of: 'ebizzy -mTRp, Power8 with 80 CPUs, 4.16' }, 80, 37_880),
  single(
    { ...power8, design: 'dufour-2018', of: 'ebizzy -mTRp, Power8 with 80 CPUs, 4.16 with SPF v10' },
    80,
    76_201,
  ),
  single({ ...x86, design: 'classic', of: 'ebizzy -mTt 48, 24 CPUs, 5.1-rc4' }, 24, 5_492.7),
  single({ ...x86, design: 'dufour-2019', of: 'ebizzy -mTt 48, 24 CPUs, 5.1-rc4 with SPF v12' }, 24, 9_383.1),
  ...spfTest(2, 10, 1_889_398, 327_299),
  ...spfTest(10, 2, 1_234_861, 800_393),
  ...spfTest(10, 10, 12_199_939, 3_223_206),
  ...spfTest(30, 30, 255_827_268, 41_538_348),
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
    {
      1: 507_566,
      4: 1_880_478,
      7: 3_106_394,
      12: 4_061_358,
      21: 3_988_619,
      30: 3_909_840,
      48: 4_761_108,
      56: 4.886e6,
    },
    [1],
  ),
  // S. Baghdasaryan, in reply to V. Babka on the first version of per-VMA locks, January 2023; and in the cover letters
  // of those with a reference count, v7 to v10, January and February 2025. Predicted before they were compared.
  ...table(
    { ...pft, accounting: '6.1', machine: 'numa-56', design: 'classic', of: 'pft, 56 threads, 6.2' },
    {
      1: 469_202,
      4: 1_754_466,
      7: 2_808_142,
      12: 3_750_308,
      21: 4_145_672,
      30: 3_775_723,
      48: 4_152_564,
      56: 4_163_869,
    },
    [],
  ),
  // The lock of that version is a count: an increment unless it is negative, and a decrement (its patch 41, "replace
  // rw_semaphore with atomic_t in vma_lock"). The semaphore came back with the second version.
  ...table(
    {
      ...pft,
      accounting: '6.1',
      machine: 'numa-56',
      design: 'per-vma-refcount-2025',
      of: 'pft, 56 threads, 6.2 with per-VMA locks v1',
    },
    {
      1: 464_453,
      4: 1_660_688,
      7: 2_688_911,
      12: 3_863_490,
      21: 3_904_533,
      30: 3_923_225,
      48: 4_783_721,
      56: 4_851_474,
    },
    [],
  ),
  ...table(
    {
      ...pft,
      accounting: '6.10',
      machine: 'numa-56',
      design: 'per-vma-refcount-2025',
      of: 'pft, 56 threads, per-VMA reference count',
    },
    {
      1: 506_139,
      4: 1_886_796,
      7: 3_140_551,
      12: 4_112_477,
      21: 4_577_747,
      30: 4_311_052,
      48: 5_283_791,
      56: 5_415_839,
    },
    [],
  ),
  // S. Baghdasaryan, in reply to M. Guzik, August 2024, with the model of the machine: the kernel as it was, before a
  // patch that puts the lock into the VMA. Found last, with all constants as they stood.
  ...table(
    {
      ...pft,
      accounting: '6.10',
      machine: 'numa-56',
      design: 'per-vma-lock-2023',
      of: 'pft, 56 threads, per-VMA rwsem, August 2024',
    },
    {
      1: 470_924,
      4: 1_714_824,
      7: 2_801_395,
      12: 3_934_168,
      21: 3_736_832,
      30: 3_845_187,
      48: 4_712_318,
      56: 4_873_234,
    },
    [],
  ),
  // P. Agrawal, 28 February 2023, of the same machine and kernels as above, with a mapping for each thread. Predicted
  // before they were compared, as those of will-it-scale below.
  ...table(
    {
      ...pft,
      workload: 'pft-split',
      accounting: '6.1',
      machine: 'icelake-2s',
      design: 'classic',
      of: 'pft with a mapping for each, 2 × Ice Lake, 6.2-rc4',
    },
    {
      1: 905_492,
      4: 2_994_284,
      7: 4_177_411,
      12: 4_892_848,
      21: 5_823_534,
      30: 6_247_211,
      48: 6_274_617,
      79: 6_187_291,
      110: 6_454_542,
      128: 6_472_971,
    },
    [],
  ),
  ...table(
    {
      ...pft,
      workload: 'pft-split',
      accounting: '6.1',
      machine: 'icelake-2s',
      design: 'per-vma-lock-2023',
      of: 'pft with a mapping for each, 2 × Ice Lake, 6.2-rc4 with per-VMA locks v2',
    },
    {
      1: 887_245,
      4: 3_154_237,
      7: 4_933_286,
      12: 6_054_577,
      21: 7_637_637,
      30: 8_598_151,
      48: 9_467_132,
      79: 11_919_063,
      110: 15_050_228,
      128: 16_647_276,
    },
    [],
  ),
  // docs/bench.md: the kernel on worker threads of this project's machine, frames zeroed whole.
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
    { ...willItScale, workload: 'page_fault1', of: 'page_fault1_threads, 2 × E5-2650 v4, 5.13-rc1' },
    { 16: 2_332_446, 24: 2_138_067, 48: 1_776_494 },
    [],
  ),
  ...table(
    { ...willItScale, workload: 'page_fault2', of: 'page_fault2_threads, 2 × E5-2650 v4, 5.13-rc1' },
    { 16: 2_005_510, 24: 2_016_984, 48: 1_611_363 },
    [],
  ),
  ...table(
    { ...willItScale, workload: 'page_fault3', of: 'page_fault3_threads, 2 × E5-2650 v4, 5.13-rc1' },
    { 16: 3_216_287, 24: 3_199_850, 48: 3_236_057 },
    [],
  ),
  ...table(
    { ...willItScale, workload: 'mmap1', of: 'mmap1_threads, 2 × E5-2650 v4, 5.13-rc1' },
    { 16: 100_512, 24: 99_087 },
    [],
  ),
]

/** What of a kernel a row is of, besides its design. */
export type KernelOfRow = Pick<PublishedRow, 'accounting' | 'spinlock' | 'rss'>

/** The rows that the runs are of, each with what was simulated. */
export function compareWithPublished(
  machine: string,
  workload: SimulatedWorkload,
  runs: readonly SimulatedRun[],
  kernel: KernelOfRow,
): ComparedRow[] {
  const rows = publishedRows.filter(
    (row) =>
      row.machine === machine &&
      row.workload === workload.name &&
      row.accounting === kernel.accounting &&
      row.spinlock === kernel.spinlock &&
      row.rss === kernel.rss,
  )
  return rows.flatMap((row) => {
    const run = runs.find(
      ({ design, rwsem, cpus }) => design === row.design && rwsem === row.rwsem && cpus === row.cpus,
    )
    if (run === undefined) return []
    const { faultsPerSecond, threadMs } = run
    const simulated = threadMs === undefined ? faultsPerSecond : (workload.measured * 1000) / threadMs
    return [{ row: row.row, value: row.value, simulated, error: simulated / row.value - 1 }]
  })
}
