// `faultline check --init`: a first check for somebody who has none yet. It runs as it is, and finds an error.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { UsageError } from './failure.ts'
import { print } from './output.ts'

interface Package {
  readonly type?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Writes the file into `folder`, in the language of its project. Throws UsageError if it is there. */
export async function printFirstCheck(folder: string): Promise<void> {
  const description = packageOf(folder)
  const isTypeScript = usesTypeScript(folder, description)
  // Node and the compiler take it for a module whatever the package says.
  const ending = !isTypeScript ? 'mjs' : description.type === 'module' ? 'ts' : 'mts'
  const name = `ring.check.${ending}`
  const file = join(folder, name)
  try {
    writeFileSync(file, firstCheck(isTypeScript), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new UsageError(`${name} already exists`, `run faultline check ${name}, or rename that file`)
  }
  const install = isInstalled(folder) ? '' : '  npm install --save-dev faultline\n'
  await print(
    `wrote ${name}: a ring buffer with an error that few interleavings show\n\n${install}  npx faultline check ${name}\n`,
  )
}

function packageOf(folder: string): Package {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package
  } catch {
    return {}
  }
}

function usesTypeScript(folder: string, { dependencies, devDependencies }: Package): boolean {
  if (existsSync(join(folder, 'tsconfig.json'))) return true
  return { ...dependencies, ...devDependencies }['typescript'] !== undefined
}

function isInstalled(folder: string): boolean {
  try {
    createRequire(join(folder, 'package.json')).resolve('faultline/package.json')
    return true
  } catch {
    return false
  }
}

function firstCheck(isTypeScript: boolean): string {
  const type = (text: string): string => (isTypeScript ? text : '')
  return `// A ring buffer for one producer and one consumer, and what must hold.
import { scenario } from 'faultline/check'

const HEAD = 0 // how many values were taken
const TAIL = 1 // how many were put in
const SLOTS = 2
const SIZE = 2

function push(ring${type(': Int32Array')}, value${type(': number')})${type(': boolean')} {
  const tail = Atomics.load(ring, TAIL)
  if (tail - Atomics.load(ring, HEAD) === SIZE) return false
  // The error: this announces the slot before it is filled. Exchange the two lines, and check again.
  Atomics.store(ring, TAIL, tail + 1)
  Atomics.store(ring, SLOTS + (tail % SIZE), value)
  return true
}

function pop(ring${type(': Int32Array')})${type(': number | undefined')} {
  const head = Atomics.load(ring, HEAD)
  if (head === Atomics.load(ring, TAIL)) return undefined
  const value = Atomics.load(ring, SLOTS + (head % SIZE))
  Atomics.store(ring, HEAD, head + 1)
  return value
}

export default scenario({
  title: 'a ring buffer',
  // Before every execution: the state that the threads share.
  setup: () => new Int32Array(new SharedArrayBuffer((SLOTS + SIZE) * 4)),
  // What each thread does.
  threads: [
    function producer(ring) {
      push(ring, 1)
      push(ring, 2)
    },
    function consumer(ring) {
      const value = pop(ring)
      if (value !== undefined && value !== 1) throw new Error(\`1 was put in first, and \${value} came out\`)
    },
  ],
})
`
}
