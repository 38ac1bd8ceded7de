// What the page of the simulator and its workers say to each other. Plain data.

import type { SimulatedRun } from '../../src/simulate/findings.ts'

/** What is simulated, but for the number of CPUs: as the options of `faultline simulate`. */
export interface Setting {
  readonly workload: string
  readonly machine: string
  readonly designs: readonly string[]
  /** 'year' or the name of one. */
  readonly rwsem: string
  readonly seed: number
}

export interface DesignAndRwsem {
  readonly design: string
  readonly rwsem: string
}

export type Question = { readonly id: number } & (
  | { readonly kind: 'catalogue' }
  /** Which runs there are to be, by design and number of CPUs. */
  | { readonly kind: 'plan'; readonly setting: Setting }
  | { readonly kind: 'run'; readonly setting: Setting; readonly curve: DesignAndRwsem; readonly cpus: number }
  /** What `faultline simulate` says of the runs. */
  | { readonly kind: 'tell'; readonly setting: Setting; readonly runs: readonly SimulatedRun[] }
)

export interface Answers {
  readonly catalogue: Catalogue
  readonly plan: { readonly curves: readonly DesignAndRwsem[]; readonly cpus: readonly number[] }
  readonly run: SimulatedRun
  readonly tell: { readonly text: string; readonly counts: string }
}

export type Answer = { readonly id: number } & (
  | { readonly value: Answers[keyof Answers] }
  | { readonly error: string }
)

export interface Catalogue {
  readonly workloads: readonly { readonly name: string; readonly description: string }[]
  readonly machines: readonly { readonly name: string; readonly title: string; readonly cpus: number }[]
  readonly designs: readonly string[]
}
