// Checks the types of src, the kernel, tests and benchmarks, and of the workbench.

import { withLock } from './lock.mjs'
import { tools } from './paths.mjs'
import { runMain } from './prepare.mjs'
import { passThrough } from './spawn.mjs'

// Into .build, as the build does; from scratch, for the same reason.
await runMain(() =>
  withLock(() => passThrough(process.execPath, [tools.typescript, '-b', '--force', '.', 'web'])),
)
