// A scenario that prints.
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [(cells) => console.log('a thread', Atomics.add(cells, 0, 1))],
  invariant: (cells) => console.log('the invariant') ?? cells[0] === 1,
}
