// What the page hands to the script that draws the time of a program over CPUs.

export interface WhatIfData {
  readonly cpus: readonly number[]
  readonly recorded: { readonly cpus: number; readonly ms: number }
  /** Milliseconds for each number of CPUs, by the bounds of the simulation; null where it was not simulated. */
  readonly designs: readonly {
    readonly name: string
    readonly least: readonly (number | null)[]
    readonly most: readonly (number | null)[]
  }[]
}
