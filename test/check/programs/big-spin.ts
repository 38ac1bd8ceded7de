// A thread spins on a 64-bit word, high bits first, until another has set it.

const READY = 2n ** 62n + 1n

export default {
  setup: () => new BigInt64Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: BigInt64Array) => void Atomics.store(cells, 0, READY),
    (cells: BigInt64Array) => {
      while (Atomics.load(cells, 0) !== READY);
      if (Atomics.compareExchange(cells, 0, READY, 5n) !== READY) throw new Error('it changed')
    },
  ],
  invariant: (cells: BigInt64Array): boolean => cells[0] === 5n,
}
