// Two threads add one by reading and then writing.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [increment, increment],
  invariant(cells: Int32Array) {
    if (Atomics.load(cells, 0) !== 2) throw new Error('an update was lost')
  },
}

function increment(cells: Int32Array): void {
  Atomics.store(cells, 0, Atomics.load(cells, 0) + 1)
}
