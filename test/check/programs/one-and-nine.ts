// One step, and nine that conflict with it.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [
    (cells: Int32Array): void => {
      Atomics.exchange(cells, 0, 1)
    },
    (cells: Int32Array): void => {
      for (let turn = 0; turn < 9; turn++) Atomics.exchange(cells, 0, 1)
    },
  ],
}
