// Preloaded (`node --import`) it gives every module outside the kernel the kernel in its steppable form, each function
// of which runs to its end when it is called, as if the thread were alone. So a test that was written for the kernel
// as it stands runs on what was made of it.

import { registerHooks } from 'node:module'
import { memory } from '../../../src/backends/stepped/memory.ts'
import { alone, takeWebAssembly } from '../../../src/backends/stepped/runtime.ts'
import { loadStepped } from '../../../src/backends/stepped/load.ts'

const kernel = new URL('../../../src/kernel/', import.meta.url)
const program = await loadStepped(new URL('index.ts', kernel))
const generatorFunction = Object.getPrototypeOf(function* () {}).constructor as FunctionConstructor

// A buffer that is met as words may be viewed by bytes later. An explorer would begin again; here nobody counts cells.
memory.byteCells.has = () => true
takeWebAssembly()

/** By address: a module that exports what the steppable one does, made callable. */
const facades = new Map<string, string>()
for (const url of program.texts.keys()) {
  const inner = program.addressOf(url)
  const exported = Object.entries((await import(inner)) as Record<string, unknown>)
  const names = exported.filter(([, value]) => typeof value === 'function').map(([name]) => name)
  facades.set(
    url,
    `import * as inner from ${JSON.stringify(inner)}
import { callable } from ${JSON.stringify(import.meta.url)}
export * from ${JSON.stringify(inner)}
${names.map((name) => `export const ${name} = callable(inner.${name})`).join('\n')}
`,
  )
}

/** What tests can call and construct like the original of `value`. */
export function callable<T>(value: T): T {
  if (value instanceof generatorFunction) return ((...args: unknown[]) => alone(value(...args))) as T
  if (typeof value !== 'function' || !/^class\b/.test(String(value))) return value
  return new Proxy(value, {
    construct(constructor, args, newTarget) {
      const made = Reflect.construct(constructor, args, newTarget) as Record<string, unknown>
      for (const [name, field] of Object.entries(made)) {
        if (field instanceof generatorFunction) Object.defineProperty(made, name, { value: callable(field) })
      }
      return made
    },
  })
}

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
