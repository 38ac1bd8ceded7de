// Reads plainly what another thread writes: for-of.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
    (cells: Int32Array) => {
      for (const value of cells) return value
      return 0
    },
  ],
}
