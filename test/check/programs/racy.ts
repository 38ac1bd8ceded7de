// A message that is read whether or not it is there.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      cells[1] = 42
      Atomics.store(cells, 0, 1)
    },
    (cells: Int32Array) => {
      const there = Atomics.load(cells, 0) === 1
      const message = cells[1]
      if (there && message !== 42) throw new Error('stale')
    },
  ],
}
