// One thread writes a cell, three read it.

const read = (cells: Int32Array): void => {
  Atomics.load(cells, 0)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(64)),
  threads: [
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
    },
    read,
    read,
    read,
  ],
}
