// Each thread makes its own view of the memory, as workers do, and updates are lost.

const count = (memory: SharedArrayBuffer): void => {
  const cells = new Int32Array(memory)
  const before = Atomics.load(cells, 0)
  Atomics.store(cells, 0, before + 1)
}

export default {
  setup: () => new SharedArrayBuffer(16),
  threads: [count, count],
  invariant: (memory: SharedArrayBuffer): boolean => new Int32Array(memory)[0] === 2,
}
