// Bundles the threads backend into one module: what `faultline/memory` loads is then five files, and half of what an
// import of forty costs is finding, reading and linking them.
//
// What it has of Node it gets from `#host`: Node and bundlers look into package.json for what that is, so that in a
// program for a browser it is another module (src/backends/threads/node-host.ts).
//
// The kernel stays a module of its own, since the checker and the simulator load it without this one; so does the check
// of Node's version, which has to run before the kernel and before anything else. Whoever imports this backend imports
// its index.ts, and so a process has one copy of it whatever door it came in by (test/tidy-rules.ts).

import { readFileSync } from 'node:fs'
import { type RolldownPlugin, rolldown } from 'rolldown'
import { inputOptions, makeFoldable, unfoldable } from './kernel-bundle.ts'

/** What the bundle imports, as index.ts does. */
const apart = ['../../kernel/index.ts', './node-version.ts']

const HOST = '#host'

const keepApart: RolldownPlugin = {
  name: 'apart',
  resolveId(source) {
    if (source === HOST || source.startsWith('node:')) return { id: HOST, external: true }
    return apart.includes(source) ? { id: source.replace(/\.ts$/, '.js'), external: 'relative' } : null
  },
}

/**
 * Bundles `input`, the index of the threads backend, into the file `output`. It has no source map: the sources that it
 * would lead to are not published, and the bundle reads as they do.
 *
 * @throws {Error} where one of its bindings would be read at each use; see `unfoldable`
 */
export async function bundleThreads(input: string, output: string): Promise<void> {
  const bundle = await rolldown({
    ...inputOptions,
    input,
    platform: 'node',
    transform: { inject: { Buffer: [HOST, 'Buffer'], process: [HOST, 'process'] } },
    plugins: [
      keepApart,
      { name: 'foldable', renderChunk: (code) => ({ code: makeFoldable(code), map: null }) },
    ],
  })
  await bundle.write({ file: output, format: 'esm', comments: false })
  await bundle.close()
  const faults = unfoldable(readFileSync(output, 'utf8'), true)
  if (faults.length > 0) throw new Error(`${output} is not what V8 folds: ${faults.join('; ')}`)
}
