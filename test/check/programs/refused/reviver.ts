// A callback of the engine that reads shared memory.

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
    (cells: Int32Array) => void JSON.parse('[0]', (_, index: number) => Atomics.load(cells, index)),
  ],
}
