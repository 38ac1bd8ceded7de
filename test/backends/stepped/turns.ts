// Two threads that take turns after each step, whatever they do.

import { FINISHED, Scheduler, Thread } from '../../../src/backends/stepped/index.ts'

export class Turns extends Scheduler {
  readonly threads = [new Thread(0), new Thread(1)]
  override readonly exchanges = true
  steps = 0
  #last = 0

  choose(): number {
    this.steps++
    const other = 1 - this.#last
    this.#last = this.threads[other]!.state === FINISHED ? this.#last : other
    return this.threads[this.#last]!.state === FINISHED ? -1 : this.#last
  }

  plainRead(): void {}
  plainWrite(): void {}
}
