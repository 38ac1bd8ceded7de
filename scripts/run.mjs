// `node scripts/run.mjs [MODULE [ARGUMENT…]]`: makes the checkout ready, then runs MODULE with the pinned Node.

import { prepare, runMain } from './prepare.mjs'
import { passThrough } from './spawn.mjs'

await runMain(async (args) => {
  const node = await prepare()
  return args.length === 0 ? 0 : passThrough(node, args)
})
