// What the page hands to the script that draws threads over time.

/** Numbers of slices come as pairs: the slice, and the number, where that is not zero. */
export interface TimelineData {
  readonly sliceNs: number
  readonly slices: number
  readonly lanes: readonly {
    readonly name: string
    /** Thousandths of the slice. */
    readonly waited: readonly number[]
    readonly heldWrite: readonly number[]
    readonly heldRead: readonly number[]
    /** Page faults. */
    readonly faults: readonly number[]
  }[]
  /** Of all threads: how many waited, on average over the slice; how many held it for writing; page faults. */
  readonly waiting: readonly number[]
  readonly writing: readonly number[]
  readonly faulting: readonly number[]
}
