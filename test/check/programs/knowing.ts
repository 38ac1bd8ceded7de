// Threads of one function that are told apart by what is not in shared memory, and so in nothing that they do there.

interface State {
  readonly cells: Int32Array
  readonly names: number[]
  readonly first: number[]
  readonly counter: Counter
  next: number
}

class Counter {
  #next = 0

  take(): number {
    return this.#next++
  }
}

let next = 0

const setup = (): State => {
  next = 0
  const cells = new Int32Array(new SharedArrayBuffer(8))
  return { cells, names: [1, 0], first: [], counter: new Counter(), next: 0 }
}

const invariant = ({ first }: State): void => {
  if (first[0] === 1) throw new Error('the second was first')
}

/** Whoever is first notes its name. */
const count = ({ cells, first }: State, name: number): void => {
  if (Atomics.add(cells, 0, 1) === 0) first.push(name)
}

const threads: Record<string, (state: State) => void> = {
  property: (state) => count(state, state.next++),
  list: (state) => count(state, state.names.pop()!),
  privateField: (state) => count(state, state.counter.take()),
  variable: (state) => count(state, next++),
  'between two operations': (state) => {
    Atomics.store(state.cells, 1, 5)
    const name = state.next++
    count(state, name)
  },
}

export const knowing = Object.fromEntries(
  Object.entries(threads).map(([name, thread]) => [name, { setup, threads: [thread, thread], invariant }]),
)
