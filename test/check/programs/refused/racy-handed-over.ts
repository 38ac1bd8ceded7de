// A thread hands a function over to racy(): which accesses are meant cannot be seen.

import { racy, scenario } from '../../../../src/check.ts'

const accesses = (): void => {}

export default scenario({
  threads: [() => racy(accesses)],
})
