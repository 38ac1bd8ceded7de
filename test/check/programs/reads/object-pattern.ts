// Reads plainly what another thread writes: object-pattern.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [(cells: Int32Array) => void Atomics.store(cells, 0, 1), ({ 0: first }: Int32Array) => void first],
}
