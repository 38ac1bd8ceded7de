// Preloaded by every process of the tests (`node --import`): keeps compiled modules in .build, TypeScript whose types
// were taken out included, which is more than half of what it costs to start a process or a thread. Tests of the
// checker do without: each loads hundreds of forms of the kernel, of which none is met again.

import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { root } from './paths.mjs'

const loadsManyForms = process.argv[1]?.startsWith(join(root, 'test/check/'))
// A test may also run an older Node, which has none.
if (!loadsManyForms) nodeModule.enableCompileCache?.(join(root, '.build/compile-cache'))
