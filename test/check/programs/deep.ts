// Fails only if thread 1 comes between two steps of thread 0, and thread 0 between two of thread 1: three ordered
// pairs.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array): void => {
      for (let turn = 0; turn < 4; turn++) Atomics.add(cells, 1, 0)
      Atomics.store(cells, 0, 1)
      if (Atomics.load(cells, 0) === 2) Atomics.store(cells, 0, 3)
    },
    (cells: Int32Array): void => {
      for (let turn = 0; turn < 4; turn++) Atomics.add(cells, 1, 0)
      if (Atomics.load(cells, 0) === 1) {
        Atomics.store(cells, 0, 2)
        if (Atomics.load(cells, 0) === 3) throw new Error('thread 0 came between')
      }
    },
  ],
}
