// Projects as people have them: TypeScript that is not only types, modules of packages that say "commonjs", imports as
// bundlers take them.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'

const scenarioOf = (thread: string, state = 'new Int32Array(new SharedArrayBuffer(16))'): string =>
  `\nconst thread = ${thread}\nexport default { setup: () => ${state}, threads: [thread, thread] }\n`

const files: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "commonjs" }',
  // With comments and commas as tsc takes them.
  'tsconfig.json': `{
    // "paths": {}
    "extends": "./tsconfig.base",
    "compilerOptions": { "paths": { "@/*": ["./src/*"], }, },
  }`,
  'tsconfig.base.json': '{ "compilerOptions": { "experimentalDecorators": true } }',
  'src/config.json': '{ "words": 2 }',
  'src/values/constants.ts': 'export const LOCKED: number = 1\n',
  'src/values/index.ts': "export * from './constants'\n",
  'src/types.ts': `import { Nothing } from './declared'
export interface Cells { readonly cells: Int32Array }
export type Never = Nothing
`,
  'src/declared.d.ts': 'export type Nothing = never\n',
  'src/lock.ts': `import config from './config.json'
import { Cells, Never as No } from './types'
import { LOCKED } from '@/values'

interface Gone {
  never: true | No
}

enum State {
  Free,
  Held = LOCKED,
}
namespace Sizes {
  export const bytes = config.words * 4
}

export class Lock implements Cells {
  constructor(readonly cells: Int32Array, readonly at = 0) {}
  static make() { return new Lock(new Int32Array(new SharedArrayBuffer(Sizes.bytes))) }
  tryTake(): boolean {
    if (Atomics.load(this.cells, this.at) !== State.Free) return false
    Atomics.store(this.cells, this.at, State.Held)
    Atomics.add(this.cells, 1, 1)
    return true
  }
  get owners(): number {
    return this.cells[1]!
  }
}
`,
  'lock.check.ts': `import data from '@/config.json' with { type: 'json' }
import { Lock } from '@/lock'
const thread = (lock: Lock) => { lock.tryTake() }
export default { setup: () => Lock.make(), threads: [thread, thread], 
  invariant: (lock: Lock) => lock.owners < data.words }
`,
  'own/node_modules/counts/package.json': '{ "type": "module", "exports": "./counts.js" }',
  'own/node_modules/counts/counts.js': `let n = 0
export const count = (cells) => { Atomics.add(cells, 0, ++n) }
export const newCells = () => new Int32Array(new SharedArrayBuffer(4))
`,
  // The setup adds 1, and each thread 1 and 2, as each has its own n.
  'own/own.check.mts': `import { newCells } from 'counts'
const count = async (cells, times) => {
  const own = await import('counts')
  for (let each = 0; each < times; each++) own.count(cells)
}
const setup = async () => { const cells = newCells(); await count(cells, 1); return cells }
const thread = (cells) => count(cells, 2)
export default { setup, threads: [thread, thread], invariant: (cells) => cells[0] === 7 }
`,
  // Its main is TypeScript, of which one file has nothing to do with shared memory.
  'typed/node_modules/typed/package.json': '{ "type": "module", "exports": "./main.ts" }',
  'typed/node_modules/typed/main.ts': `import { type Count, one } from './one'
export const count = (cells: Int32Array): Count => Atomics.add(cells, 0, one)
`,
  'typed/node_modules/typed/one.ts': 'export type Count = number\nexport const one: Count = 1\n',
  'typed/typed.check.mts': `import { count } from 'typed'${scenarioOf('(cells) => { count(cells) }')}`,
  'required.check.ts': `const { LOCKED } = require('./src/values')${scenarioOf('(cells) => Atomics.add(cells, 0, LOCKED)').replace('export default', 'module.exports =')}`,
  'exported.check.cjs': scenarioOf('(cells) => Atomics.add(cells, 0, 1)').replace(
    'export default',
    'exports.default =',
  ),
  'decorated.check.ts': `class Lock {

  @logged take(cells) { Atomics.add(cells, 0, 1) }
}
function logged() {}${scenarioOf('(cells) => new Lock().take(cells)')}`,
}

describe('a project', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-project-'))
  before(() => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
  })
  after(() => rmSync(folder, { recursive: true }))

  it('has enums, namespaces, parameter properties, paths and JSON: places are those of its files', async () => {
    const { failure } = await checkFile(join(folder, 'lock.check.ts'))
    assert.equal(failure!.message, 'InvariantBroken: the invariant does not hold')
    const operations = failure!.counterexample.events.map(({ place, text }) => `${place} ${text}`)
    assert.ok(operations.includes('lock.ts:21 load cells[0] = 0'), operations.join('\n'))
    assert.ok(operations.includes('lock.ts:22 store cells[0] 0 → 1'), operations.join('\n'))
  })

  it('has a package that has no form for require(): the file, the setup and each thread import their own', async () => {
    const { failure, complete, steps } = await checkFile(join(folder, 'own/own.check.mts'))
    assert.deepEqual([failure, complete], [null, true])
    assert.ok(steps >= 4)
  })

  it('has a package that is published as TypeScript', async () => {
    const { verdict, steps } = await checkFile(join(folder, 'typed/typed.check.mts'))
    assert.deepEqual([verdict, steps], ['pass', 2])
  })

  it('requires what has no ending', async () => {
    const { verdict } = await checkFile(join(folder, 'required.check.ts'))
    assert.equal(verdict, 'pass')
  })

  it('exports a scenario by the name that a module would give it', async () => {
    const { verdict } = await checkFile(join(folder, 'exported.check.cjs'))
    assert.equal(verdict, 'pass')
  })

  it('needs a compiler for decorators, and is told so with the place of the first', async () => {
    await assert.rejects(checkFile(join(folder, 'decorated.check.ts')), {
      message:
        /decorated\.check\.ts:3: it does not parse .*; decorators need the package typescript or esbuild/,
    })
  })

  it('has decorators where its compiler is there', async () => {
    // What a compiler is asked for and gives: the same function, decorated by a call.
    const compiler = join(folder, 'node_modules/esbuild')
    mkdirSync(compiler, { recursive: true })
    writeFileSync(join(compiler, 'package.json'), '{ "name": "esbuild", "main": "main.cjs" }')
    const main = `exports.transformSync = (source, { loader, target, tsconfigRaw }) => {
      if (loader !== 'ts' || target !== 'es2022' || !tsconfigRaw.compilerOptions.experimentalDecorators) throw new Error('no')
      return { code: source.replace('@logged', '') }
    }`
    writeFileSync(join(compiler, 'main.cjs'), main)
    const { verdict } = await checkFile(join(folder, 'decorated.check.ts'))
    assert.equal(verdict, 'pass')
  })
})
