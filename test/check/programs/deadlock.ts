// Two locks, taken in opposite orders.

function lock(cells: Int32Array, which: number): void {
  while (Atomics.compareExchange(cells, which, 0, 1) !== 0) Atomics.wait(cells, which, 1)
}

function unlock(cells: Int32Array, which: number): void {
  Atomics.store(cells, which, 0)
  Atomics.notify(cells, which, 1)
}

function both(cells: Int32Array, first: number, second: number): void {
  lock(cells, first)
  lock(cells, second)
  unlock(cells, second)
  unlock(cells, first)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [(cells: Int32Array) => both(cells, 0, 1), (cells: Int32Array) => both(cells, 1, 0)],
}
