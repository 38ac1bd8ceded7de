// Far too many orders to see them all.

const count = (own: number) => (cells: Int32Array) => {
  for (let turn = 0; turn < 20; turn++) Atomics.exchange(cells, 0, own)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [count(1), count(2), count(3)],
}
