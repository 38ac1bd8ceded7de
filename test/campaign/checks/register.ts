// A register that linearizable() makes programs of.

import { linearizable } from '../../../src/check/linearizable.ts'

class Register {
  readonly #cells = new Int32Array(new SharedArrayBuffer(4))

  write(value: number): void {
    Atomics.store(this.#cells, 0, value)
  }

  read(): number {
    return Atomics.load(this.#cells, 0)
  }
}

class Sequential {
  #value = 0

  write(value: number): void {
    this.#value = value
  }

  read(): number {
    return this.#value
  }
}

export default linearizable({
  create: () => new Register(),
  operations: { write: [[1]], read: [[]] },
  specification: Sequential,
  calls: 1,
})
