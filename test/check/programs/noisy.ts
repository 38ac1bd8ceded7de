// Two threads add one by reading and then writing, and do something of their own before, between and after.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(12)),
  threads: [(cells: Int32Array) => increment(cells, 1), (cells: Int32Array) => increment(cells, 2)],
  invariant(cells: Int32Array) {
    if (Atomics.load(cells, 0) !== 2) throw new Error('an update was lost')
  },
}

function increment(cells: Int32Array, own: number): void {
  Atomics.add(cells, own, 1)
  const before = Atomics.load(cells, 0)
  Atomics.add(cells, own, 1)
  Atomics.store(cells, 0, before + 1)
  Atomics.add(cells, own, 1)
}
