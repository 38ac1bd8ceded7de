// A thread waits in a plain loop for what another writes.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array): void => {
      Atomics.store(cells, 1, 1)
      while (cells[0] === 0);
    },
    (cells: Int32Array): void => {
      if (Atomics.load(cells, 1) <= 1) cells[0] = 1
    },
  ],
}
