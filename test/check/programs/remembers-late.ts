// State outside of setup that makes a difference when a few executions have gone by: none that is repeated shows it.

let executions = 0

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array): void => {
      Atomics.store(cells, 0, 1)
      if (++executions < 8) Atomics.store(cells, 1, 1)
    },
    (cells: Int32Array): void => {
      for (let value = 2; value < 6; value++) Atomics.store(cells, 1, value)
    },
  ],
}
