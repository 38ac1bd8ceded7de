// The module's own code comes to no end.

import { scenario } from '../../../src/check/scenario.ts'

const turns = [0]
while (turns.length > 0) turns[0]! += 1

export default scenario({
  setup: () => turns,
  threads: [() => {}],
})
