// One memory by two objects, as structuredClone gives it and every worker gets it: an update is lost.

import { scenario } from '../../../src/check/scenario.ts'

const increment = (which: number) =>
  function add(views: Int32Array[]): void {
    const view = views[which]!
    Atomics.store(view, 0, Atomics.load(view, 0) + 1)
  }

export default scenario({
  title: 'a cloned buffer',
  setup: () => {
    const memory = new SharedArrayBuffer(4)
    return [new Int32Array(memory), new Int32Array(structuredClone(memory))]
  },
  threads: [increment(0), increment(1)],
  invariant: ([view]) => {
    if (view![0] !== 2) throw new Error('an update was lost')
  },
})
