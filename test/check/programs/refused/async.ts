// A thread that goes on when all is over.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
    async (cells: Int32Array) => {
      await Promise.resolve()
      Atomics.store(cells, 0, 2)
    },
  ],
}
