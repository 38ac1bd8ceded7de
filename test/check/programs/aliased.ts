// Atomics by other names, and from a constructor, a getter and a callback: updates are lost in all of them.

const { load } = Atomics
const A = Atomics

class Counter {
  readonly #cells: Int32Array
  constructor(cells: Int32Array) {
    this.#cells = cells
    A.add(cells, 1, 1)
  }
  get value(): number {
    return load(this.#cells, 0)
  }
  set value(value: number) {
    const name = 'store'
    Atomics[name](this.#cells, 0, value)
  }
}

const count = (cells: Int32Array): void => {
  const counter = new Counter(cells)
  ;[1].forEach((by) => (counter.value += by))
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [count, count],
  invariant: (cells: Int32Array): boolean => cells[1] === 2 && cells[0] === 2,
}
