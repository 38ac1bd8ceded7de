// What is given to be checked cannot be.

/** A file that is to be checked cannot be loaded or exports no scenario, or what is given is not usable. */
export class NoScenario extends TypeError {
  override readonly name = 'NoScenario'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}
