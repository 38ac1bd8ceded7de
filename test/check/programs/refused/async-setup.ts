// The state is made by an async function.

export default {
  setup: async () => new Int32Array(new SharedArrayBuffer(16)),
  threads: [async (cells: Promise<Int32Array>) => void Atomics.store(await cells, 0, 1)],
}
