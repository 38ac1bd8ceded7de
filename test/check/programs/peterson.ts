// The mutual exclusion of Peterson. What it protects is accessed plainly.

const TURN = 2

interface State {
  readonly flags: Int32Array
  readonly inside: Int32Array
}

export default {
  setup: (): State => ({
    flags: new Int32Array(new SharedArrayBuffer(16)),
    inside: new Int32Array(new SharedArrayBuffer(4)),
  }),
  threads: [0, 1].map((me) => ({ flags, inside }: State) => {
    const other = 1 - me
    Atomics.store(flags, me, 1)
    Atomics.store(flags, TURN, other)
    while (Atomics.load(flags, other) === 1 && Atomics.load(flags, TURN) === other) {
      // waits
    }
    inside[0]!++
    if (inside[0] !== 1) throw new Error('two inside')
    inside[0]--
    Atomics.store(flags, me, 0)
  }),
}
