// Preloaded by every process of the tests (`node --import`), and by every thread of theirs.
//
// It keeps compiled modules in .build, TypeScript whose types were taken out included, which is more than half of what
// it costs to start a process or a thread.
//
// And tests of what users run meet it as users do: built, with the kernel in one file.

import * as nodeModule from 'node:module'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { dist, groupFolder, root } from './paths.mjs'

const main = process.argv[1] ?? ''
const isOf = (...folders) =>
  folders.some((folder) =>
    [join(root, 'test'), groupFolder].some((each) => main.startsWith(join(each, folder))),
  )

// A test may also run an older Node, which has neither.
nodeModule.enableCompileCache?.(join(root, '.build/compile-cache'))
// One test replaces functions of Atomics, which the built kernel does not call; one asks for the name of a thread.
if (
  isOf('api/', 'conformance/', 'faults/', 'stress/', 'trace/', 'workloads/') &&
  !isOf('api/ends', 'api/file-lock')
)
  nodeModule.registerHooks?.({ resolve: built })

const sources = pathToFileURL(join(root, 'src/')).href
const output = pathToFileURL(join(dist, '/')).href

/** What a module of src resolves to is its twin in dist. What is in the bundle of the kernel has none. */
function built(specifier, context, next) {
  const found = next(specifier, context)
  if (!found.url.startsWith(sources) || !found.url.endsWith('.ts')) return found
  const url = `${output}${found.url.slice(sources.length, -'.ts'.length)}.js`
  if (!existsSync(fileURLToPath(url)))
    throw new Error(
      `${specifier} of ${context.parentURL}: tests of what users run do not reach into the kernel`,
    )
  return { ...found, url, format: 'module' }
}
