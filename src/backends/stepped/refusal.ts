// What the transform throws when it meets code that it cannot step.

/** Code that cannot be run one access at a time, with the place and what to do about it. */
export class SteppingRefused extends Error {
  override readonly name = 'SteppingRefused'
  /** Path of the file. */
  readonly file: string
  readonly line: number
  readonly remedy: string

  constructor(file: string, line: number, problem: string, remedy: string) {
    super(`${file}:${line}: ${problem}; ${remedy}`)
    this.file = file
    this.line = line
    this.remedy = remedy
  }
}
