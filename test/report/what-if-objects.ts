// Fixed simulations for the tests of what is said of them.
import type { WhatIf, WhatIfRun } from '../../src/simulate/index.ts'

interface Figures {
  readonly design?: string
  readonly cpus?: number
  /** By the bounds. */
  readonly elapsedMs: readonly number[]
  readonly waits?: number
  readonly waitedMs?: number
}

export function runOf({
  design = 'per-vma-refcount-2025',
  cpus = 2,
  elapsedMs,
  waits = 500,
  waitedMs = 40,
}: Figures): WhatIfRun {
  const gaps = elapsedMs.length === 1 ? (['recorded'] as const) : (['computing', 'blocking'] as const)
  return {
    design,
    rwsem: 'spinning',
    cpus,
    lockedFaults: 312,
    bounds: elapsedMs.map((ms, bound) => ({
      gaps: gaps[bound]!,
      elapsedMs: ms,
      waits: { count: waits, totalMs: waitedMs },
    })),
  }
}

export function whatIfOf(runs: readonly WhatIfRun[], changes: Partial<WhatIf> = {}): WhatIf {
  return {
    machine: { name: 'icelake-2s', cpus: 128, source: 'somewhere' },
    recorded: {
      design: runs[0]!.design,
      cpus: runs[0]!.cpus,
      elapsedMs: 200,
      waits: { count: 520, totalMs: 44 },
    },
    runs,
    error: { elapsed: 1.05, waits: 1.2, waitedMs: 1.1 },
    seedSpread: 0.01,
    leftOut: [],
    ...changes,
  }
}
