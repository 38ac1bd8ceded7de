// A buffer of one place with one condition for those who put and those who take, of whom one is woken each time: that
// may be one who cannot go on. It needs no preemption, and everything would take hours.
const [MUTEX, CALLS, FULL] = [0, 1, 2]

function lock(cells: Int32Array): void {
  while (Atomics.compareExchange(cells, MUTEX, 0, 1) !== 0) Atomics.wait(cells, MUTEX, 1)
}

function unlock(cells: Int32Array): void {
  Atomics.store(cells, MUTEX, 0)
  Atomics.notify(cells, MUTEX, 1)
}

function turn(cells: Int32Array, from: number): void {
  lock(cells)
  while (cells[FULL] !== from) {
    const seen = Atomics.load(cells, CALLS)
    unlock(cells)
    Atomics.wait(cells, CALLS, seen)
    lock(cells)
  }
  cells[FULL] = 1 - from
  Atomics.add(cells, CALLS, 1)
  Atomics.notify(cells, CALLS, 1)
  unlock(cells)
}

const put = (cells: Int32Array): void => turn(cells, 0)
const take = (cells: Int32Array): void => turn(cells, 1)

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(12)),
  threads: [put, put, take, take],
}
