// The time of a Date without arguments, which the module keeps, may be later than an entry lasts.

import { scenario } from '../../../src/check/scenario.ts'

const KeptDate = Date
interface Cache {
  readonly cells: Int32Array
  readonly expires: number
}

function get({ cells, expires }: Cache): void {
  Atomics.load(cells, 0)
  if (new KeptDate().getTime() >= expires) throw new Error('too old')
}

export default scenario({
  title: 'a cache whose entries expire',
  setup: () => ({
    cells: new Int32Array(new SharedArrayBuffer(4)),
    expires: new KeptDate().getTime() + 3_600_000,
  }),
  threads: [get, get],
})
