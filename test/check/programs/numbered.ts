// Threads that are one function, but number themselves outside shared memory: they are not alike.

interface State {
  readonly cells: Int32Array
  next: number
}

function thread(state: State): void {
  const own = state.next++
  Atomics.add(state.cells, own, 1)
  if (own === 1 && Atomics.load(state.cells, 0) === 0) Atomics.store(state.cells, 2, 1)
}

export default {
  setup: (): State => ({ cells: new Int32Array(new SharedArrayBuffer(12)), next: 0 }),
  threads: [thread, thread],
  invariant: ({ cells }: State) => cells[2] === 0,
}
