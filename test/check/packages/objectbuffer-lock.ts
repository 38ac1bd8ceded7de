// @bnaya/objectbuffer: two agents take its lock, waiting for it as its documentation says, and count up.

import { acquireLockWait, createObjectBuffer, releaseLock } from '@bnaya/objectbuffer'
import { scenario } from '../../../src/check/scenario.ts'

const textCoders = { textEncoder: new TextEncoder(), textDecoder: new TextDecoder() }

interface State {
  readonly shared: { count: number }
  readonly inside: Int32Array
}

function countUp(agent: number, { shared, inside }: State): void {
  // Anything but 'have-lock' means that one does not have it, and has to try again.
  while (acquireLockWait(agent, shared, Infinity) !== 'have-lock');
  if (Atomics.add(inside, 0, 1) !== 0) throw new Error('two agents hold the lock')
  shared.count++
  Atomics.sub(inside, 0, 1)
  if (!releaseLock(agent, shared)) throw new Error('the lock was not held')
}

export default scenario({
  title: '@bnaya/objectbuffer 0.10.1: two agents and a lock',
  setup: (): State => ({
    shared: createObjectBuffer(textCoders, 1024, { count: 0 }, { useSharedArrayBuffer: true }),
    inside: new Int32Array(new SharedArrayBuffer(4)),
  }),
  invariant: ({ shared }) => shared.count === 2,
  threads: [(state) => countUp(1, state), (state) => countUp(2, state)],
})
