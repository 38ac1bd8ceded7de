// Two threads hand a number to each other for ever, once the second has seen the first begin.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
      Atomics.store(cells, 0, 0)
    },
    (cells: Int32Array) => {
      while (Atomics.load(cells, 0) === 1) Atomics.add(cells, 1, 1)
    },
  ],
}
