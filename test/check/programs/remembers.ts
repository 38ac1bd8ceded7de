// State outside of setup: what is shared is another in the second execution. No operation shows it, only the values.

let executions = 0

export default {
  setup: () => {
    const cells = new Int32Array(new SharedArrayBuffer(8))
    cells[1] = ++executions
    return cells
  },
  threads: [
    (cells: Int32Array): void => {
      Atomics.store(cells, 0, 1)
    },
    (cells: Int32Array): void => {
      Atomics.load(cells, 0)
    },
  ],
}
