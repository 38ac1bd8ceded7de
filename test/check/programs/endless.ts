// A thread counts for ever, once it has seen the other in the middle of its work.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
      Atomics.store(cells, 0, 0)
    },
    (cells: Int32Array) => {
      if (Atomics.load(cells, 0) === 1) while (Atomics.add(cells, 1, 1) >= 0);
    },
  ],
}
