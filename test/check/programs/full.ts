// As many threads as there may be, of which the last two lose an update.

const THREADS = 31

function add(cells: Int32Array): void {
  const before = Atomics.load(cells, THREADS)
  Atomics.store(cells, THREADS, before + 1)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4 * (THREADS + 1))),
  threads: Array.from(
    { length: THREADS },
    (_, id) => (cells: Int32Array) => void (id < THREADS - 2 ? Atomics.store(cells, id, 1) : add(cells)),
  ),
  invariant: (cells: Int32Array) => {
    if (cells[THREADS] !== 2) throw new Error('an update was lost')
  },
}
