// The whole check, from a bare clone: `node scripts/test.mjs [TEST-FILE…]`.
// Stops at the first step that fails. The tests come last, so that their summary ends the output.

import { tools } from './paths.mjs'
import { prepare, runMain } from './prepare.mjs'
import { passThrough } from './spawn.mjs'

await runMain(async (files) => {
  const node = await prepare({ build: false })
  const steps = [
    ['format', tools.prettier, '--check', '--log-level=warn', '.'],
    ['lint', tools.oxlint, '--deny-warnings'],
    ['types', 'scripts/typecheck.mjs'],
    ['build', 'scripts/build.mjs'],
    ['tests', '--test', '--test-reporter=spec', ...(files.length > 0 ? files : ['test/**/*.test.ts'])],
  ]
  for (const [name, ...args] of steps) {
    console.log(`== ${name}`)
    const code = await passThrough(node, args)
    if (code !== 0) return code
  }
  return 0
})
