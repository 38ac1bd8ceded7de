// A case of the table of injected faults.

export interface FaultCase {
  readonly injected: string
  readonly expected: string
  /** @param folder for files of the case's own */
  run(folder: string): string | Promise<string>
}
