// A spinlock and three threads that do the same, for what it brings to exchange them.

function increment(cells: Int32Array): void {
  while (Atomics.compareExchange(cells, 0, 0, 1) !== 0) Atomics.pause()
  cells[1]!++
  Atomics.store(cells, 0, 0)
}

export default {
  title: 'a spinlock, three threads',
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [increment, increment, increment],
  invariant: (cells: Int32Array) => cells[1] === 3,
}
