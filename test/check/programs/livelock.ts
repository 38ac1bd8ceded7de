// A thread registers, looks, and takes itself off the list again; what it looks for does not come.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      for (;;) {
        Atomics.add(cells, 1, 1)
        if (Atomics.load(cells, 0) === 1) break
        Atomics.sub(cells, 1, 1)
      }
    },
    (cells: Int32Array) => void Atomics.store(cells, 0, 2),
  ],
}
