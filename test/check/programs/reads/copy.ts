// Reads plainly what another thread writes: copy.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
    (cells: Int32Array) => void new Int32Array(4).set(cells),
  ],
}
