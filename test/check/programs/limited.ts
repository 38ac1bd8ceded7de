// Two threads with more interleavings than it wants to see.

const work = (cells: Int32Array): void => {
  for (let turn = 0; turn < 3; turn++) Atomics.exchange(cells, 0, 1)
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [work, work],
  options: { maxExecutions: 2 },
}
