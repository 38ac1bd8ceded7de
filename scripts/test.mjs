// The whole check, from a bare clone: `node scripts/test.mjs [TEST-FILE…]`.
// Stops at the first step that fails. The tests come last, so that their summary ends the output.

import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { testFiles } from './groups.mjs'
import { root, tools } from './paths.mjs'
import { prepare, runMain } from './prepare.mjs'
import { passThrough } from './spawn.mjs'

/** A test that has not ended by then fails under its name: else nothing would tell which one waits. */
const MINUTES_MOST = 10

await runMain(async (files) => {
  const node = await prepare({ build: false })
  // Each of the first three keeps one processor busy at most, or for a moment. What the types have emitted is built.
  const steps = [
    [
      ['format', tools.oxfmt, '--check', '.'],
      ['lint', tools.oxlint, '--deny-warnings'],
      ['types', 'scripts/typecheck.mjs'],
    ],
    [['build', 'scripts/build.mjs', '--emitted']],
    [['tests', ...testArguments(files)]],
  ]
  for (const step of steps) {
    console.log(`== ${step.map(([name]) => name).join(', ')}`)
    const codes = await Promise.all(
      step.map(([name, ...args]) =>
        passThrough(node, args, name === 'tests' ? { env: testEnvironment() } : {}),
      ),
    )
    const failed = codes.find((code) => code !== 0)
    if (failed !== undefined) return failed
  }
  return 0
})

/** Two files more at once than there are processors: some wait for a browser, a server or an end. */
function testArguments(files) {
  return [
    '--test',
    `--test-concurrency=${availableParallelism() + 2}`,
    ...(process.env.FAULTLINE_EXTENT === 'whole' ? [] : [`--test-timeout=${MINUTES_MOST * 60_000}`]),
    `--test-reporter=${pathToFileURL(join(root, 'scripts/slowest.mjs'))}`,
    ...(files.length > 0 ? files : testFiles()),
  ]
}

/** Also for the processes and threads that the tests start. Steppable forms are those of this run alone. */
function testEnvironment() {
  const forms = join(root, '.build/stepped-cache')
  rmSync(forms, { recursive: true, force: true })
  const preload = `--import=${pathToFileURL(join(root, 'scripts/preload.mjs'))}`
  const options = `${process.env.NODE_OPTIONS ?? ''} ${preload}`.trim()
  // What is explored whole must not depend on how busy the machine is.
  return { FAULTLINE_SECONDS: '1800', ...process.env, NODE_OPTIONS: options, FAULTLINE_STEPPED_CACHE: forms }
}
