// The package as it is built, for tests that run it as a process: that is what its users run, and it starts in a third
// of the time that its source takes.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// Does nothing where dist is what the sources make, and lets one build where several tests find that it is not.
const build = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url))
const { status, stderr } = spawnSync(process.execPath, [build, '--if-needed'], { encoding: 'utf8' })
if (status !== 0) throw new Error(`the package cannot be built:\n${stderr}`)

/** The command `faultline`. */
export const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
