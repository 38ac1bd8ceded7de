// Its array is not shared, so that the threads do nothing that could be told apart.

export default {
  setup: () => new Int32Array(1),
  threads: [
    (cells: Int32Array) => void Atomics.add(cells, 0, 1),
    (cells: Int32Array) => void Atomics.load(cells, 0),
  ],
}
