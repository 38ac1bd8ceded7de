// Programs that differ in an edit: which modules they share, and that what an edit reaches is never shared.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { loadSteppedTogether } from '../../../src/backends/stepped/index.ts'
import { type ProgramEdit, withScopes } from '../../../src/backends/stepped/program.ts'
import { parseText } from '../../../src/backends/stepped/syntax.ts'

const folder = mkdtempSync(join(tmpdir(), 'shared-modules-'))
after(() => rmSync(folder, { recursive: true }))

const files = {
  'leaf.js': `export class Leaf {}
    export const take = (cells) => Atomics.add(cells, 0, 1)`,
  'middle.js': `import { take } from './leaf.js'
    export class Middle {}
    export const twice = (cells) => take(cells) + take(cells)`,
  'one.js': `import { two } from './two.js'
    export class One {}
    export const one = (cells) => Atomics.load(cells, 0) + (cells.length > 9 ? two(cells) : 0)`,
  'two.js': `import { one } from './one.js'
    export const two = (cells) => one(cells)`,
  'entry.js': `export { Leaf } from './leaf.js'
    export { Middle, twice } from './middle.js'
    export { One } from './one.js'`,
}
for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
const entry = pathToFileURL(join(folder, 'entry.js')).href

/** Puts another text for one that stands in a file. */
function edit(file: string, from: string, to: string): ProgramEdit {
  return ({ modules }) => {
    const [url, module] = [...modules].find(([each]) => each.endsWith(`/${file}`))!
    const text = module.text.replace(from, to)
    assert.notEqual(text, module.text)
    return new Map([[url, withScopes(parseText(module.file, text, module.format))]])
  }
}

async function load(shares: boolean, change?: ProgramEdit): Promise<Readonly<Record<string, unknown>>> {
  const options = { shares, ...(change !== undefined && { edit: change }) }
  const { open } = await loadSteppedTogether([entry], options)
  return (await open(entry)).exports
}

/** Which classes two programs have in common. */
function common(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  return ['Leaf', 'Middle', 'One'].filter((name) => a[name] === b[name])
}

describe('programs that share modules', () => {
  it('have those in common that no edit reaches, and no circles', async () => {
    const first = await load(true)
    assert.deepEqual(common(first, await load(true)), ['Leaf', 'Middle'])
    const another = await load(true, edit('middle.js', '+ take', '- take'))
    assert.deepEqual(common(first, another), ['Leaf'])
    assert.deepEqual(common(first, await load(true, edit('leaf.js', ', 1)', ', 2)'))), [])
    assert.deepEqual(common(another, await load(true, edit('middle.js', '+ take', '- take'))), [
      'Leaf',
      'Middle',
    ])
  })

  it('have them also where an edit adds a place to another module', async () => {
    const first = await load(true)
    const added = await load(true, edit('one.js', 'Atomics', 'Atomics.load(cells, 0) + Atomics'))
    assert.deepEqual(common(first, added), ['Leaf', 'Middle'])
  })

  it('share nothing where the one is not to', async () => {
    assert.deepEqual(common(await load(true), await load(false)), [])
  })
})
