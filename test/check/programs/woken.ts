// A thread is woken, and takes what another has taken in the meantime.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      if (Atomics.wait(cells, 0, 0) === 'not-equal') return
      if (Atomics.sub(cells, 1, 1) < 1) throw new Error('it was woken for nothing')
    },
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
      Atomics.notify(cells, 0)
    },
  ],
}
