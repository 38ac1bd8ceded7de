// The error for input that cannot be checked.

/** The file cannot be loaded or exports no scenario, or an argument is not usable. */
export class NoScenario extends TypeError {
  override readonly name = 'NoScenario'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}
