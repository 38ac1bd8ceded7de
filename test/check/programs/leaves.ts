// A thread that ends the worker that explores it, but not the main thread.

// That of the process, and not that of the model.
const { isMainThread } = process.getBuiltinModule('node:worker_threads')

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [
    (cells: Int32Array): void => {
      Atomics.add(cells, 0, 1)
      if (!isMainThread) process.exit(3)
    },
    (cells: Int32Array): void => {
      Atomics.add(cells, 0, 1)
    },
  ],
}
