// A mutex as U. Drepper's "Futexes are tricky" has it: 0 free, 1 held, 2 held and somebody may wait.

function lock(cells: Int32Array): void {
  let seen = Atomics.compareExchange(cells, 0, 0, 1)
  while (seen !== 0) {
    if (seen === 2 || Atomics.compareExchange(cells, 0, 1, 2) !== 0) Atomics.wait(cells, 0, 2)
    seen = Atomics.compareExchange(cells, 0, 0, 2)
  }
}

function unlock(cells: Int32Array): void {
  if (Atomics.sub(cells, 0, 1) === 1) return
  Atomics.store(cells, 0, 0)
  Atomics.notify(cells, 0, 1)
}

function increment(cells: Int32Array): void {
  lock(cells)
  cells[1] = cells[1]! + 1
  unlock(cells)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [increment, increment],
  invariant: (cells: Int32Array) => cells[1] === 2,
}
