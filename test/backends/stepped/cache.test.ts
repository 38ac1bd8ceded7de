// Steppable forms of what is shipped are kept between processes, where nobody else can put one into their place.

import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type SteppedForm, cachedForm, keptInFolder } from '../../../src/backends/stepped/cache.ts'
import { steppedForm } from '../../../src/backends/stepped/load.ts'

const parent = mkdtempSync(join(tmpdir(), 'faultline-cache-'))
const folder = join(parent, `faultline-forms-${userInfo().uid}`)
const before = { ...process.env }
const source = join(parent, 'count.mjs')
const text = 'export const count = (cells) => Atomics.add(cells, 0, 1)\n'
const url = pathToFileURL(source).href
let made = 0

after(() => {
  Object.assign(process.env, before)
  rmSync(parent, { recursive: true })
})

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  writeFileSync(source, text)
  process.env['TMPDIR'] = parent
  delete process.env['FAULTLINE_STEPPED_CACHE']
  made = 0
})

/** The form, as a process has it that begins now. */
function formOf(): Promise<SteppedForm> {
  return cachedForm(url, () => {
    made++
    // In the making, no form is looked for.
    return steppedForm([url], { edit: () => new Map() })
  })
}

function kept(where = folder): string[] {
  const files = existsSync(where) ? readdirSync(where) : []
  return files.filter((name) => name.endsWith('.zst')).map((name) => join(where, name))
}

const skip = process.platform === 'win32' ? 'TMPDIR means nothing there' : false
describe('forms of what is shipped', { skip }, () => {
  it('are kept, and taken as they were made', async () => {
    const first = await formOf()
    const again = await formOf()
    assert.equal(made, 1)
    assert.deepEqual([...again.texts], [...first.texts])
    assert.deepEqual(again.sites, first.sites)
    assert.equal(kept().length, 1)
  })

  it('are made anew where a source is another', async () => {
    await formOf()
    writeFileSync(source, text.replace('1)', '2)'))
    assert.match((await formOf()).texts.get(url)!, /\b2\b/)
    assert.equal(made, 2)
  })

  it('are made anew where a file does not hold one', async () => {
    await formOf()
    const [file] = kept()
    const form = readFileSync(file!)
    writeFileSync(file!, form.subarray(0, form.length >> 1))
    await formOf()
    assert.equal(made, 2)
    assert.deepEqual(readFileSync(file!), form)
  })

  it('are not kept in a folder that others can write to', async () => {
    mkdirSync(folder)
    chmodSync(folder, 0o777)
    await formOf()
    assert.deepEqual(kept(), [])
  })

  it('are not kept where the environment names no folder, and kept where it names one', async () => {
    process.env['FAULTLINE_STEPPED_CACHE'] = ''
    await formOf()
    assert.deepEqual(kept(), [])
    process.env['FAULTLINE_STEPPED_CACHE'] = join(parent, 'named')
    await formOf()
    assert.equal(kept(join(parent, 'named')).length, 1)
  })

  it('are kept module by module too, for programs that have these in common', () => {
    const [own, modules] = [import.meta.url, join(folder, 'modules')]
    const madeOf = (address: string, key: string): unknown =>
      keptInFolder(address, key, () => ({ made: ++made }))
    assert.deepEqual(
      [madeOf(own, 'a'), madeOf(own, 'b'), madeOf(own, 'a')],
      [{ made: 1 }, { made: 2 }, { made: 1 }],
    )
    assert.equal(kept(modules).length, 2)
    for (const file of kept(modules)) writeFileSync(file, '')
    assert.deepEqual([madeOf(own, 'a'), madeOf(own, 'a')], [{ made: 3 }, { made: 3 }])
    // Of a program of the user's, none.
    assert.deepEqual([madeOf(url, 'a'), madeOf(url, 'a')], [{ made: 4 }, { made: 5 }])
    assert.equal(kept(modules).length, 2)
  })

  it('are alone in that: where an import of other programs leads may change', async () => {
    await steppedForm([url], {})
    assert.deepEqual(kept(), [])
  })
})
