// Preloaded (`node --import`) it gives every module outside the kernel the kernel in its steppable form, which runs as
// if the thread were alone. So a test that was written for the kernel as it stands runs on what was made of it.

import { registerHooks } from 'node:module'
import { memory } from '../../../src/backends/stepped/memory.ts'
import { exploreNothing } from '../../../src/backends/stepped/runtime.ts'
import { loadStepped } from '../../../src/backends/stepped/load.ts'

const kernel = new URL('../../../src/kernel/', import.meta.url)
const program = await loadStepped(new URL('index.ts', kernel))

// A buffer that is met as words may be viewed by bytes later. An explorer would begin again; here nobody counts cells.
memory.byteCells.has = () => true
exploreNothing()

/** By address: a module that exports what the steppable one does. */
const facades = new Map(
  [...program.texts.keys()].map((url) => [url, `export * from ${JSON.stringify(program.addressOf(url))}`]),
)

const loaded = new Set<string>()
registerHooks({
  load(url, context, next) {
    const source = facades.get(url)
    if (source !== undefined) loaded.add(url)
    return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true }
  },
})

process.on('exit', () => {
  if (loaded.size > 0) process.stderr.write(`stepped alone: ${loaded.size} modules of the kernel\n`)
})
